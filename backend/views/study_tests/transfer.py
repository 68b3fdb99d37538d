"""Do another model's projections predict a model's behaviour better than its own? (Evidence 1)"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.core.finding import LEAD, Finding, Row, Verdict, not_computable
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest
from backend.views.transfer.transfers import Transfer, transfers

NAME = "transfer"
QUESTION = "Do other models' vectors predict a model's behaviour better than its own?"


def transfer_finding(found: Sequence[Transfer]) -> Finding:
    """All ordered pairs of models, every trait.

    Args:
        found: the transfers, tested together.
    """
    if not found:
        return not_computable(NAME, QUESTION, "it needs runs of two models on one study")
    lines = []
    for f in found:
        name = f"{f.trait}: {f.activation_model} -> {f.behaviour_model}"
        lines += [
            Row(f"{name}, self", f.self_r),
            Row(f"{name}, cross", f.cross_r),
            Row(
                f"{name}, cross - self",
                f.difference,
                note=""
                if f.adjusted_p is None
                else f"Benjamini-Hochberg p over all transfers {f.adjusted_p:.2g}",
            ),
        ]
    signs = {(f.trait, f.activation_model, f.behaviour_model): f.difference.value for f in found}
    known = {key: value for key, value in signs.items() if value is not None}
    mirrored = [
        key
        for key, value in known.items()
        if value == -(signs.get((key[0], key[2], key[1])) or math.nan)
    ]
    better = [f for f in found if (f.difference.value or 0) > 0]
    sure = [f for f in better if f.adjusted_p is not None and f.adjusted_p < 0.05]
    verdict: Verdict = "supported" if sure else "undetermined"
    if all(f.difference.high is not None and f.difference.high <= 0 for f in found):
        verdict = "ruled out"
    counted = (
        f"The other model's r is higher in {len(better)} of {len(found)} transfers, significantly "
        f"in {len(sure)}"
    )
    if mirrored and len(mirrored) == len(known):
        counted = (
            f"In {len(sure)} of {len(known) // 2} comparisons one model's vector reads the "
            "responses significantly better than the other's"
        )
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"{'Yes, sometimes.' if sure else LEAD[verdict]} {counted} (5% false discovery rate).",
        "Each model's layer was chosen by its own r. A higher foreign r says that the other model "
        "reads the text better, not that its vector would steer this one."
        + (
            " Where models are tried on the same responses, A -> B and B -> A are one comparison "
            "with its sign turned: half of those transfers are higher by construction."
            if mirrored
            else ""
        ),
        tuple(lines),
    )


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    return transfer_finding(transfers(evidence.transfer_cases))


TEST = StudyTest(NAME, QUESTION, _of_evidence)

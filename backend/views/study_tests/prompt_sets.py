"""Does another set of prompts do better? (study, Part 1, "Model-specific prompts")"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import LEAD, MATTERS, Finding, Row, Verdict, not_computable
from backend.core.statistics.paired import paired_difference
from backend.core.status import count_statuses
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import PromptSetR, StudyEvidence, StudyTest

NAME = "prompt_sets"
QUESTION = "Do other prompts make better vectors?"


def prompt_set_difference(found: Sequence[PromptSetR], first: str, second: str) -> Estimate:
    """Mean over cells of r with the second set minus r with the first, paired.

    Args:
        found: r of both sets; cells with only one of them are left out.
        first: a prompt set.
        second: another.
    """
    rs = {(f.model, f.trait, f.prompt_set): f.r for f in found if f.r is not None}
    cells = [k[:2] for k in rs if k[2] == first and (*k[:2], second) in rs]
    return paired_difference(
        np.array([rs[(*cell, second)] for cell in cells], np.float64),
        np.array([rs[(*cell, first)] for cell in cells], np.float64),
    )


def prompt_set_finding(
    found: Sequence[PromptSetR], baseline: str, thresholds: StatusThresholds
) -> Finding:
    """Every prompt set against a baseline.

    Args:
        found: r per model, trait and set.
        baseline: the set the others are compared with.
        thresholds: where a cell works.
    """
    others = [s for s in dict.fromkeys(f.prompt_set for f in found) if s != baseline]
    if not others:
        return not_computable(NAME, QUESTION, "the study has one prompt set")
    lines, differences = [], []
    for other in others:
        difference = prompt_set_difference(found, baseline, other)
        differences.append(difference)
        counts = {
            name: count_statuses([f.r for f in found if f.prompt_set == name], thresholds)
            for name in (baseline, other)
        }
        lines.append(
            Row(
                f"r with {other} - r with {baseline}",
                difference,
                note=f"working {counts[other]['working']} and {counts[baseline]['working']}",
            )
        )
    verdict: Verdict = "undetermined"
    if any(d.low is not None and d.low > 0 for d in differences):
        verdict = "supported"
    elif all(d.high is not None and d.high < MATTERS for d in differences):
        verdict = "ruled out"
    means = ", ".join(
        f"{other} {'undefined' if d.value is None else format(d.value, '+.3f')}"
        for other, d in zip(others, differences, strict=True)
    )
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"{LEAD[verdict]} Mean change of r against the set {baseline}: {means}.",
        "Each set has its own best layer. Cells share responses, so the interval over cells is "
        "too narrow; several sets are several chances.",
        tuple(lines),
    )


def _of_evidence(evidence: StudyEvidence, thresholds: StatusThresholds) -> Finding:
    return prompt_set_finding(evidence.prompt_set_rs, evidence.prompt_set, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

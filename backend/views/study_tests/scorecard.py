"""Which traits work on which model (study, "Current Scorecard")."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, not_computable
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import mcnemar
from backend.core.status import Status, count_statuses, status_of
from backend.core.study_cell import StudyCell, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import Evidence, StudyTest

NAME = "scorecard"
QUESTION = "Do the vectors work equally on every model?"
STATES: tuple[Status, ...] = ("working", "close", "failed")


def scorecard_finding(rows: Sequence[StudyCell], thresholds: StatusThresholds) -> Finding:
    """Counts of working, close and failed traits per model, and whether shares working differ.

    Args:
        rows: the cells at their best layers.
        thresholds: where a status changes.
    """
    if not rows:
        return not_computable(NAME, QUESTION, "there are no cells")
    lines, answers = [], []
    working: dict[str, dict[str, bool]] = {}
    for model in models_of(rows):
        rs = [row.r for row in rows if row.model == model]
        counts = count_statuses(rs, thresholds)
        for state in STATES:
            lines.append(Row(f"{model}: {state}", Estimate.exact(counts[state], len(rs))))
        answers.append(f"{model} {counts['working']}/{len(rs)}")
        working[model] = {
            row.trait: status_of(row.r, thresholds) == "working"
            for row in rows
            if row.model == model and row.r is not None
        }
    several = len(working) > 1
    pairs = list(combinations(working, 2))
    found = [_paired(working[a], working[b]) for a, b in pairs]
    adjusted_ps = benjamini_hochberg([estimate.p for estimate in found])
    for (a, b), estimate, adjusted in zip(pairs, found, adjusted_ps, strict=True):
        note = "no trait in common"
        if adjusted is not None:
            note = f"McNemar's exact test; Benjamini-Hochberg p {adjusted:.2g}"
        lines.append(Row(f"share working, {a} - {b}", estimate, note=note))
    unequal = any(p is not None and p < 0.05 for p in adjusted_ps)
    shares = {sum(own.values()) / len(own) for own in working.values() if own}
    lead = "" if not several else "No. " if len(shares) > 1 else "Yes. "
    note = " One model alone cannot be compared."
    if several and len(shares) > 1:
        note = " Significant." if unequal else " Not significant with so few traits in common."
    return Finding(
        NAME,
        QUESTION,
        "ruled out" if unequal else "undetermined",
        f"{lead}{', '.join(answers)} traits work at their best layer."
        + ("" if several and len(shares) <= 1 else note),
        "A count hides how close each r is to the threshold, and every best-layer r is inflated "
        "by selection: read it beside the layer test. Models are compared on the traits they "
        "share. With eight traits, six must differ in the same direction for p below 0.05.",
        tuple(lines),
    )


def _paired(first: dict[str, bool], second: dict[str, bool]) -> Estimate:
    """Share of the traits with r on both that work on the first model, minus on the second."""
    common = [trait for trait in first if trait in second]
    return mcnemar(*(np.array([own[trait] for trait in common], bool) for own in (first, second)))


def _of_evidence(evidence: Evidence, thresholds: StatusThresholds) -> Finding:
    return scorecard_finding(evidence.cells, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

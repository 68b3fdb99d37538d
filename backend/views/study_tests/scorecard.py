"""Which traits work on which model (study, "Current Scorecard")."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, not_computable
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import cochran, mcnemar
from backend.core.status import Status, count_statuses, status_of
from backend.core.study_cell import StudyCell, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

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
    together, exact = _together(working)
    if len(working) > 2:
        how = "" if together.p is None else "exact p" if exact else "p by chi-square"
        lines.append(Row("Cochran's Q over all models", together, note=how))
    shares = {sum(own.values()) / len(own) for own in working.values() if own}
    unequal = together.p is not None and together.p < 0.05
    said = f"{', '.join(answers)} traits work at their best layer"
    if not several:
        said += ". One model alone cannot be compared."
    elif len(shares) <= 1:
        said = f"Yes: {said}."
    elif together.p is None:
        said = f"Not shown: {said}, but {together.reason}."
    elif unequal:
        said = f"No: {said} (Cochran's Q, p = {together.p:.2g})."
    else:
        said = (
            f"Not shown: {said}, which chance alone would often give with so few traits "
            f"(Cochran's Q, p = {together.p:.2g})."
        )
    return Finding(
        NAME,
        QUESTION,
        "ruled out" if unequal else "undetermined",
        said,
        "A count hides how close each r is to the threshold, and every best-layer r is inflated "
        "by selection: read it beside the layer test. Models are compared on the traits they "
        "share. Of two models alone and eight traits, six must differ in the same direction for p "
        "below 0.05.",
        tuple(lines),
    )


def _together(working: dict[str, dict[str, bool]]) -> tuple[Estimate, bool]:
    """Whether the shares of working traits differ between any models, over the traits with r on
    all of them."""
    if not working:
        return Estimate.undefined(0, "there are no models"), True
    common = set.intersection(*(set(own) for own in working.values()))
    return cochran(
        np.array(
            [[own[trait] for own in working.values()] for trait in sorted(common)], bool
        ).reshape(len(common), len(working))
    )


def _paired(first: dict[str, bool], second: dict[str, bool]) -> Estimate:
    """Share of the traits with r on both that work on the first model, minus on the second."""
    common = [trait for trait in first if trait in second]
    return mcnemar(*(np.array([own[trait] for trait in common], bool) for own in (first, second)))


def _of_evidence(evidence: StudyEvidence, thresholds: StatusThresholds) -> Finding:
    return scorecard_finding(evidence.cells, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

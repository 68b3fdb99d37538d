"""Which traits work on which model (study, "Current Scorecard")."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, not_computable
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.status import Status, count_statuses
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
    working: dict[str, tuple[int, int]] = {}
    for model in models_of(rows):
        rs = [row.r for row in rows if row.model == model]
        counts = count_statuses(rs, thresholds)
        for state in STATES:
            lines.append(Row(f"{model}: {state}", Estimate.exact(counts[state], len(rs))))
        answers.append(f"{model} {counts['working']}/{len(rs)}")
        working[model] = (counts["working"], len(rs) - counts["working"])
    several = len(working) > 1
    pairs = list(combinations(working, 2))
    ps = [float(stats.fisher_exact(np.array([working[a], working[b]])).pvalue) for a, b in pairs]
    for (a, b), p, adjusted in zip(pairs, ps, benjamini_hochberg(ps), strict=True):
        difference = working[a][0] / sum(working[a]) - working[b][0] / sum(working[b])
        estimate = Estimate(difference, None, None, p, sum(working[a]) + sum(working[b]))
        note = f"Fisher's exact test; Benjamini-Hochberg p {adjusted:.2g}"
        lines.append(Row(f"share working, {a} - {b}", estimate, note=note))
    unequal = any(p is not None and p < 0.05 for p in benjamini_hochberg(ps))
    return Finding(
        NAME,
        QUESTION,
        "ruled out" if unequal else "undetermined",
        f"Working at their best layer: {', '.join(answers)}."
        + ("" if several else " One model alone cannot be compared."),
        "A count hides how close each r is to the threshold, and the best of several layers "
        "flatters every r: read it beside the layer test. Models share traits and scenarios, which "
        "Fisher's test takes for independent.",
        tuple(lines),
    )


def _of_evidence(evidence: Evidence, thresholds: StatusThresholds) -> Finding:
    return scorecard_finding(evidence.cells, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

"""Pearson beside Spearman: do outliers or bent relations hide an effect? (study, Part 1)"""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.core.finding import LEAD, MATTERS, Finding, Row, Verdict, not_computable
from backend.core.statistics.paired import paired_difference
from backend.core.study_cell import StudyCell, column, having
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "ranks"
QUESTION = "Would rank correlation rescue the vectors?"


def rank_finding(rows: Sequence[StudyCell]) -> Finding:
    """Mean r, mean rho and their paired difference over the cells.

    Args:
        rows: the cells at their best layers.
    """
    known = having(rows, "r", "rho")
    if len(known) < 2:
        return not_computable(NAME, QUESTION, f"{len(known)} cells have Pearson's r and Spearman's")
    r, rho = column(known, "r"), column(known, "rho")
    difference = paired_difference(rho, r)
    verdict: Verdict = "undetermined"
    if difference.low is not None and difference.low > 0:
        verdict = "supported"
    elif difference.high is not None and difference.high < MATTERS:
        verdict = "ruled out"
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"{LEAD[verdict]} Spearman's rho minus Pearson's r is {difference.value:+.3f} on average "
        f"over {len(known)} cells.",
        "The layer was chosen by Pearson's r, which favours Pearson. Cells share responses, so "
        "the interval over cells is too narrow.",
        (
            Row("mean Pearson r", Estimate.exact(float(r.mean()), len(r))),
            Row("mean Spearman rho", Estimate.exact(float(rho.mean()), len(r))),
            Row("rho - r, paired over cells", difference),
        ),
    )


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    return rank_finding(evidence.cells)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

"""Scores that use too few of their steps."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row, Verdict
from backend.core.statistics.reliability import rounding_of
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, Subject
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.rules.score_ends import too_few_scored

CAUSE, TITLE = "compressed", "Compressed scores"
_CONFUSIONS = "Scores at an end of the range; a behaviour that truly varies little."


def judge(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether rounding makes up much of the scores' variance.

    Measured: step^2 / 12 (the variance that rounding to a step adds, Sheppard 1898) over the
    variance of the scores, or twice that over the variance of their drifts where r is taken over
    drifts; the step is the usual difference between neighbouring scores. Why: that share of the
    variance is noise. Confusions: scores at the floor are compressed too, so this is undetermined
    where they are, and with fewer than 10 cases, as the gaps between these are no steps.
    """
    if evidence.n < at.SCORED:
        return too_few_scored(Subject(CAUSE, TITLE, _CONFUSIONS), evidence, "rounding share")
    drifts = None if evidence.cases.first is None else evidence.cases.behaviour
    rounding = rounding_of(evidence.scores, drifts)
    share, note = rounding.share, "all scores are the same"
    if rounding.step is not None:
        note = f"step {rounding.step:g}, standard deviation {rounding.variance**0.5:.2f}"
    weight = share / at.ROUNDING_SHARE
    at_end = earlier["floor"].marked
    verdict: Verdict = "undetermined" if at_end else "supported"
    if weight < 1:
        verdict = "ruled out"
    return Judgement(
        CAUSE,
        TITLE,
        verdict,
        weight,
        f"Rounding accounts for {share:.0%} of the variance of the "
        f"{'scores' if drifts is None else 'score drifts'}.",
        (Row("rounding share", Estimate.exact(share, len(evidence.scores)), note=note),),
        None,
        _CONFUSIONS,
        explained=at_end,
    )


RULE = Rule(CAUSE, TITLE, judge, after=("floor",))

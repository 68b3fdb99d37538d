"""Scores that do not agree with themselves."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row, Verdict
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE, RIDGE
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence

CAUSE, TITLE = "unreliable_judge", "An unreliable judge"
SPOILERS = ("floor", "compressed")
CONFUSIONS = (
    "A behaviour that truly changes from one turn to the next as much as between scenarios. Score "
    "some responses twice to tell them apart."
)


def judge(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether scores of the same scenario at t1 and tN have anything in common.

    Measured: their correlation over scenarios. Its size is a lower bound of the judge's
    reliability, also if it is negative. Why: an unreliable judge's error is new each time.
    Confusions: a behaviour without any stability; scores at an end or compressed, where this is
    undetermined. Ruled out where the vector or a probe works: error cannot be read.
    """
    first = evidence.cases.first
    if first is None:
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined",
            0.0,
            "One score per scenario: reliability cannot be seen.",
            (),
            None,
            CONFUSIONS,
        )
    stability = pearson(evidence.cases.cases(first, evidence.cases.last))
    row = Row("r of scores at t1 and tN", stability)
    if stability.low is None or stability.high is None or stability.value is None:
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined",
            0.0,
            "Their stability is undefined.",
            (row,),
            None,
            CONFUSIONS,
        )
    size = abs(stability.value)
    weight = at.STABILITY / max(size, 0.02)
    least = 0.0 if stability.low <= 0 <= stability.high else min(map(abs, interval(stability)))
    most = max(map(abs, interval(stability)))
    spoiled = any(earlier[cause].marked for cause in SPOILERS)
    verdict: Verdict = "undetermined"
    if weight < 1 or least > at.STABILITY or _read(evidence):
        verdict = "ruled out"
    elif most < at.STABILITY and not spoiled:
        verdict = "supported"
    return Judgement(
        CAUSE,
        TITLE,
        verdict,
        weight,
        f"Scores of one scenario correlate {stability.value:+.2f} between turns.",
        (row,),
        None,
        CONFUSIONS,
        explained=spoiled,
    )


def interval(found: Estimate) -> tuple[float, float]:
    """The ends of a defined interval."""
    assert found.low is not None and found.high is not None
    return found.low, found.high


def _read(evidence: CellEvidence) -> bool:
    """Whether something reads the scores well: error cannot be read on held-out scenarios."""
    found = (evidence.r(MEAN_DIFFERENCE), evidence.r(RIDGE))
    return any(r.low is not None and r.low > evidence.thresholds.working for r in found)


RULE = Rule(CAUSE, TITLE, judge, after=SPOILERS)

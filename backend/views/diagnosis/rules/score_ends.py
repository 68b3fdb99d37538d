"""Scores crowded at an end of their range, or stuck at one value of it."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row, Verdict
from backend.core.statistics.reliability import ScoreUse
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, Subject
from backend.views.diagnosis.evidence import CellEvidence

CAUSE, TITLE = "floor", "Scores at the floor or ceiling"
STUCK = "Scores stuck at one value"
FINER = "or use a finer scale."
FLOOR = f"A behaviour that hardly occurs: seek out responses that show it, {FINER}"
CEILING = f"A behaviour that nearly always occurs: seek out responses that lack it, {FINER}"
ALIKE = f"A behaviour that hardly varies: seek out responses that differ in it, {FINER}"


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether most scores are at, or next to, the lowest or the highest allowed, or nearly all are
    next to one value between.

    Measured: the share of scores within 1% of the range of each end, where both ends hold nearly
    all as a share of the half that neither must hold; and the share within 1% of the range of their
    median, of scores in finer steps. Why: what the range cuts off cannot correlate, and what
    differs by next to nothing says little of a behaviour. Confusions: a trait that truly never
    varies looks the same; so do compressed scores whose middle happens to lie at an end.
    """
    use = evidence.score_use
    if use is None or evidence.n < at.SCORED:
        return too_few_scored(Subject(CAUSE, TITLE, FLOOR), evidence, "share at the end")
    if evidence.stuck and use.crowding < at.AT_END:
        return _stuck(use)
    weight = use.crowding / at.AT_END
    verdict: Verdict = "supported" if weight >= 1 else "ruled out"
    at_floor = use.floor >= use.ceiling
    share, end = (use.floor, "lowest") if at_floor else (use.ceiling, "highest")
    least, why = (1 + at.AT_END) / 2, ": one of two levels holds half"
    if not use.two_ends:
        least, why = at.AT_END, ""
    return Subject(CAUSE, TITLE, FLOOR if at_floor else CEILING).judged(
        verdict,
        weight,
        f"{share:.0%} of the scores are at or within 1% of the {end} allowed score.",
        (
            Row(
                "share at the end",
                Estimate.exact(share, use.n),
                note=f"healthy cells stay below {least:.0%}{why}",
            ),
        ),
    )


def _stuck(use: ScoreUse) -> Judgement:
    return Subject(CAUSE, STUCK, ALIKE).judged(
        "supported",
        use.stuck / at.STUCK,
        f"{use.stuck:.0%} of the scores are within 1% of the range of {use.middle:g}.",
        (
            Row(
                "share at one value",
                Estimate.exact(use.stuck, use.n),
                note=f"healthy cells stay below {at.STUCK:.0%}",
            ),
        ),
    )


def too_few_scored(subject: Subject, evidence: CellEvidence, marker: str) -> Judgement:
    """A cause in the scores that so few cases cannot show.

    Args:
        subject: the cause.
        evidence: a cell.
        marker: what would show it.
    """
    why = f"it needs at least {at.SCORED} scored cases, not {evidence.n}"
    row = Row(marker, Estimate.undefined(evidence.n, why))
    summary = f"Not judged: {why}."
    return subject.judged("undetermined", 0.0, summary, (row,))


RULE = Rule(CAUSE, TITLE, judge)

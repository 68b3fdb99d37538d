"""Scores that do not agree with themselves."""

from __future__ import annotations

from backend.core.finding import Row, Verdict
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE, RIDGE
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence

CAUSE, TITLE = "unreliable_judge", "Unreliable judge"
SPOILERS = ("floor", "compressed")
CONFUSIONS = (
    "A behaviour that truly changes from one turn to the next as much as between scenarios. Scores "
    "given twice to the same responses tell them apart."
)
TWICE = "Score some responses twice to tell."


def judge(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether the judge's scores are mostly error.

    Measured: where responses were scored several times, the reliability (intraclass correlation) of
    what r is taken over. Else only the correlation of scores at the first and the last turn: its
    size is a lower bound of the scores' reliability, so a high one rules this out and a low one
    tells nothing, nor does one without an interval. Why: an unreliable judge's error is new each
    time, and no r can exceed the square root of the reliability. Confusions: scores at an end or
    compressed, where this is undetermined. Without repeated scores this is also ruled out where
    the vector or a probe works: error cannot be read.
    """
    spoiled = any(earlier[cause].marked for cause in SPOILERS)
    if evidence.reliability.used.value is not None:
        return _by_repeats(evidence, spoiled)
    return _by_turns(evidence, spoiled)


def _by_repeats(evidence: CellEvidence, spoiled: bool) -> Judgement:
    found, ceiling = evidence.reliability.used, evidence.reliability.ceiling
    assert found.value is not None and ceiling.value is not None
    weight = at.RELIABILITY / max(found.value, 0.02)
    verdict: Verdict = "undetermined"
    if found.low is None or found.low > at.RELIABILITY:
        verdict = "ruled out"
    elif found.high is not None and found.high < at.RELIABILITY and not spoiled:
        verdict = "supported"
    what = "scores" if evidence.cases.first is None else "score drifts"
    return _judged(
        verdict,
        weight,
        f"The reliability of the {what} is {found.value:.2f}, so r can reach {ceiling.value:.2f}.",
        (
            Row(
                f"reliability of the {what}, from repeated scores",
                found,
                note=f"poor below {at.RELIABILITY:g} (Cicchetti 1994)",
            ),
            Row("highest r that a perfect vector could have", ceiling),
        ),
        explained=spoiled,
    )


def _by_turns(evidence: CellEvidence, spoiled: bool) -> Judgement:
    first = evidence.cases.first
    if _read(evidence):
        return _judged(
            "ruled out", 0.0, "A vector predicts the scores, so they are not only error."
        )
    if first is None:
        return _judged("undetermined", 0.0, f"Every response has one score. {TWICE}")
    stability = pearson(evidence.cases.cases(first, evidence.cases.last))
    row = Row("r of scores at the first and the last turn", stability)
    if stability.value is None:
        summary = f"Scores of the first and the last turn have no r: {stability.reason}. {TWICE}"
        return _judged("undetermined", 0.0, summary, (row,))
    said = f"Scores of one scenario correlate {stability.value:+.2f} between turns"
    if stability.low is None or stability.high is None:
        summary = f"{said}, without an interval: {stability.reason}. {TWICE}"
        return _judged("undetermined", 0.0, summary, (row,))
    least = 0.0
    if not stability.low <= 0 <= stability.high:
        least = min(abs(stability.low), abs(stability.high))
    weight = at.STABILITY / max(abs(stability.value), 0.02)
    if least > at.STABILITY:
        less = (
            "" if stability.value > 0 else ". Errors alone would not correlate, whatever the sign"
        )
        return _judged("ruled out", weight, f"{said}{less}.", (row,))
    summary = f"{said}: the judge may err, or the behaviour changes between turns. {TWICE}"
    return _judged("undetermined", weight, summary, (row,), explained=spoiled)


def _judged(
    verdict: Verdict,
    weight: float,
    summary: str,
    rows: tuple[Row, ...] = (),
    *,
    explained: bool = False,
) -> Judgement:
    return Judgement(
        CAUSE, TITLE, verdict, weight, summary, rows, None, CONFUSIONS, explained=explained
    )


def _read(evidence: CellEvidence) -> bool:
    """Whether something reads the scores well: error cannot be read on held-out scenarios."""
    found = (evidence.held_out_r((method,)) for method in (MEAN_DIFFERENCE, RIDGE))
    return any(r.low is not None and r.low > evidence.thresholds.working for r in found)


RULE = Rule(CAUSE, TITLE, judge, after=SPOILERS)

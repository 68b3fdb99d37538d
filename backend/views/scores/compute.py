"""How the judge's scores of each trait are spread, and how stable they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.finding import Finding
from backend.core.statistics.correlation import pearson
from backend.core.statistics.describe import share, standard_deviation
from backend.core.statistics.reliability import (
    Reliability,
    Rounding,
    ScoreUse,
    rounding_of,
    score_use,
    usual_step,
)
from backend.store.run import Run
from backend.store.run_values import ScoredCases
from backend.views.diagnosis import thresholds as at
from backend.views.shared.reliability import reliability_of
from backend.views.study_tests import compression, ranks

# A scale with more steps than this is shown in bins instead of step by step.
STEPS, BINS = 40, 20
# Of a bin: a value that rounding has moved under an edge belongs to the bin above it.
ROUNDED = 1e-9
LEVELS = "responses have no turn, so there is no second score to compare"


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins of one width.

    Attributes:
        centres: middle of each bin, ascending.
        counts: values in each bin, all of them together n.
        sd: standard deviation of the values with its interval.
        mean: of the values; None without any.
    """

    centres: tuple[float, ...]
    counts: tuple[int, ...]
    sd: Estimate
    mean: float | None


@dataclass(frozen=True)
class ScoreColumn:
    """The scores of one trait over its cases (scenario and responder).

    Attributes:
        trait: the trait.
        cases: how many cases.
        first: scores at the first turn; None where a scenario has one response only.
        last: scores at the last one, or of the single responses.
        drift: last minus first; None where a scenario has one response only.
        every: scores of both turns together.
        floor: share of all scores at the lowest allowed.
        ceiling: share at the highest allowed.
        distinct: how many different scores are in use.
        rounding: how coarse they are.
        stability: correlation of the scores at the first and the last turn over cases.
        reliability: of the drifts (or scores), from responses that were scored several times.
        marks: what a reader must know of these scores; empty if nothing.
        scale: lowest and highest allowed score.
        ends: names of the first and of the last turn; in words where conversations differ.
    """

    trait: str
    cases: int
    first: Histogram | None
    last: Histogram
    drift: Histogram | None
    every: Histogram
    floor: Estimate
    ceiling: Estimate
    distinct: int
    rounding: Rounding
    stability: Estimate
    reliability: Reliability
    marks: tuple[str, ...]
    scale: tuple[float, float]
    ends: tuple[str, str]


def score_columns(run: Run, responder: str | None = None) -> tuple[ScoreColumn, ...]:
    """The scores of every trait that has any, in the study's order, in bins that all share.

    Args:
        run: an open run.
        responder: only responses by this one; None for all.
    """
    scale = run.score_range
    parts = {trait: _scores_of(run.scored_cases(trait), responder) for trait in run.traits}
    parts = {trait: part for trait, part in parts.items() if len(part.last)}
    if not parts:
        return ()
    width, exact = _bins(np.concatenate([part.every for part in parts.values()]), *scale)
    return tuple(
        _column(
            trait,
            part,
            (scale, run.turn_ends),
            width,
            exact,
            reliability_of(run.repeated_scores(trait).of_responder(responder)),
        )
        for trait, part in parts.items()
    )


def score_findings(findings: Sequence[Finding]) -> tuple[Finding, Finding]:
    """Those of the study's tests that are about scores: compression, and ranks.

    Args:
        findings: of all its tests.
    """
    by_name = {finding.name: finding for finding in findings}
    return by_name[compression.NAME], by_name[ranks.NAME]


@dataclass(frozen=True, eq=False)
class _Scores:
    """Scores of one trait. Attributes: turns, with the first as x and the last as y (None for
    levels), and last, at the last turn or of the single responses, [cases]."""

    turns: Cases | None
    last: Floats

    @property
    def every(self) -> Floats:
        """Scores of both turns."""
        return self.last if self.turns is None else np.concatenate([self.turns.x, self.last])


def _scores_of(cases: ScoredCases, responder: str | None) -> _Scores:
    """Scores of the cases of one responder, or of all."""
    chosen = np.array([responder in (None, own) for own in cases.responders], bool)
    turns = None
    if cases.first is not None:
        turns = cases.cases(cases.first, cases.last).subset(chosen)
    return _Scores(turns, cases.last[chosen])


def _bins(used: Floats, low: float, high: float) -> tuple[float, bool]:
    """Width of a bin, and whether each bin is one step of the scale."""
    step = usual_step(used)
    if step is not None and (high - low) / step <= STEPS:
        places = (used - low) / step
        if np.abs(places - np.round(places)).max() < 1e-6:
            return step, True
    return (high - low) / BINS, False


def _column(
    trait: str,
    scores: _Scores,
    of_study: tuple[tuple[float, float], tuple[str, str]],
    width: float,
    exact: bool,
    reliability: Reliability,
) -> ScoreColumn:
    scale, names = of_study
    low, high = scale
    every, last, turns = scores.every, scores.last, scores.turns
    use = score_use(every, low, high)
    assert use is not None  # traits without scores were left out
    rounding = rounding_of(every, None if turns is None else last - turns.x)
    floor, ceiling = (share(round(end * use.n), use.n) for end in (use.floor, use.ceiling))
    # Bins of a scale stand on its steps; bins of a continuum lie between them.
    start = low - width / 2 if exact else low
    bins = round((high - low) / width) + int(exact)
    first = drift = None
    stability = Estimate.undefined(len(last), LEVELS)
    if turns is not None:
        first = _histogram(turns.x, start, width, bins)
        moved = last - turns.x
        offset = width / 2 if exact else 0.0
        ends = np.array([moved.min(), moved.max()])
        least, most = np.floor((ends + offset) / width + ROUNDED).astype(int)
        drift = _histogram(moved, least * width - offset, width, int(most - least) + 1)
        stability = pearson(turns)
        if stability.value is None:
            stability = Estimate.undefined(len(last), _still(turns, names))
    return ScoreColumn(
        trait=trait,
        cases=len(last),
        first=first,
        last=_histogram(last, start, width, bins),
        drift=drift,
        every=_histogram(every, start, width, bins),
        floor=floor,
        ceiling=ceiling,
        distinct=use.distinct,
        rounding=rounding,
        stability=stability,
        reliability=reliability,
        marks=_marks(use, rounding) if len(last) >= at.SCORED else ("too few to tell",),
        scale=scale,
        ends=names,
    )


def _marks(use: ScoreUse, rounding: Rounding) -> tuple[str, ...]:
    """What a reader must know of scores, by the thresholds of the diagnosis."""
    marks = []
    if use.crowding >= at.AT_END:
        marks.append("at the floor" if use.floor >= use.ceiling else "at the ceiling")
    elif use.stuck >= at.STUCK:
        marks.append("stuck at one value")
    if rounding.share >= at.ROUNDING_SHARE:
        marks.append("compressed")
    return tuple(marks)


def _histogram(values: Floats, start: float, width: float, bins: int) -> Histogram:
    """Counts of values in bins from start on; the last bin holds its upper edge too."""
    places = np.floor((values - start) / width + ROUNDED).astype(int)
    counts = np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
    return Histogram(
        centres=tuple(float(start + width * (i + 0.5)) for i in range(bins)),
        counts=tuple(int(count) for count in counts),
        sd=standard_deviation(values),
        mean=float(values.mean()) if len(values) else None,
    )


def _still(turns: Cases, ends: tuple[str, str]) -> str:
    if len(turns) < 3:
        return f"it needs at least 3 cases, and there are {len(turns)}"
    return f"the scores at {ends[0] if np.ptp(turns.x) == 0 else ends[1]} do not vary"

"""How high can r be at all? Agreement, floors, ceilings and rounding of the scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats, refuse_not_finite


def agreement_ceiling(agreement: float) -> float | None:
    """Highest r a *perfect* measure of one model's behaviour can reach with another model's.

    It is the agreement itself: projections that equal model A's behaviour correlate with B's
    behaviour as A's behaviour does. Undefined (None) for a negative agreement. Source: study,
    Solution D.

    Args:
        agreement: correlation of the two models' behaviours, in [-1, 1].
    """
    refuse_not_finite(agreement=agreement)
    return agreement if agreement >= 0 else None


@dataclass(frozen=True)
class ScoreUse:
    """How the scores use their range.

    Attributes:
        n: number of scores.
        floor: share of scores at the lowest allowed value, [0, 1].
        ceiling: share at the highest allowed value, [0, 1].
        distinct: number of different values used.
    """

    n: int
    floor: float
    ceiling: float
    distinct: int


def score_use(scores: Floats, low: float, high: float) -> ScoreUse | None:
    """Floor and ceiling effects of some scores; None without scores.

    Args:
        scores: [n].
        low: lowest allowed score.
        high: highest allowed score.
    """
    refuse_not_finite(scores=scores)
    if not len(scores):
        return None
    return ScoreUse(
        n=len(scores),
        floor=float((scores <= low).mean()),
        ceiling=float((scores >= high).mean()),
        distinct=len(np.unique(scores)),
    )


@dataclass(frozen=True)
class Rounding:
    """How coarse some scores are.

    Attributes:
        step: smallest difference between two scores in use; None where fewer than two are.
        variance: population variance of the scores.
        share: share of it that rounding to the step accounts for, [0, 1]; 1 where nothing varies.
    """

    step: float | None
    variance: float
    share: float


def rounding_of(scores: Floats) -> Rounding:
    """The share of the variance of scores that rounding to their own step makes up.

    step^2 / 12 over the variance. Source: Sheppard 1898, Proceedings of the London Mathematical
    Society 29: 353-380.

    Args:
        scores: [n].
    """
    refuse_not_finite(scores=scores)
    used = np.unique(scores)
    variance = float(scores.var()) if len(scores) else 0.0
    if len(used) < 2 or variance == 0:
        return Rounding(None, variance, 1.0)
    step = float(np.diff(used).min())
    return Rounding(step, variance, min(1.0, step**2 / 12 / variance))


@dataclass(frozen=True)
class PoleCounts:
    """Responses at or beyond two thresholds (study, Part 3).

    Attributes:
        high: number of scores >= the high threshold.
        low: number of scores <= the low threshold.
        between: the rest.
    """

    high: int
    low: int
    between: int

    def feasible(self, least: int) -> bool:
        """Whether both poles have at least ``least`` examples."""
        return min(self.high, self.low) >= least


def count_poles(scores: Floats, at_least: float, at_most: float) -> PoleCounts:
    """Count responses a data-driven vector could be built from.

    Args:
        scores: [n].
        at_least: scores from here up are the high pole.
        at_most: scores up to here are the low pole.

    Raises:
        ValueError: the thresholds overlap.
    """
    refuse_not_finite(scores=scores)
    if at_most >= at_least:
        raise ValueError(f"the low pole (<= {at_most}) overlaps the high pole (>= {at_least})")
    high, low = int((scores >= at_least).sum()), int((scores <= at_most).sum())
    return PoleCounts(high, low, len(scores) - high - low)

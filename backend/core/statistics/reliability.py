"""How high can r be at all? Agreement of the judge with itself and of models, floors, rounding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats, Integers, refuse_not_finite
from backend.core.estimate import Estimate


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


# Scores this near to an end of the range, as a share of it, are at the end: a judge whose scores
# are means of probabilities never gives the end itself.
AT_END = 0.01
# The values that make up this share of the scores say by which step they are rounded; the rest,
# such as a slip of the pen or the mean of two scores, may lie between the steps.
IN_USE = 0.9


@dataclass(frozen=True)
class ScoreUse:
    """How the scores use their range.

    Attributes:
        n: number of scores.
        floor: share of scores within 1% of the range of the lowest allowed value, [0, 1].
        ceiling: share as near to the highest allowed value, [0, 1].
        distinct: number of different values used.
        middle: the median.
        stuck: share within 1% of the range of the median, [0, 1], of scores whose usual step is
            finer than that; 0 of coarser ones, as half of these may well be at one step.
    """

    n: int
    floor: float
    ceiling: float
    distinct: int
    middle: float
    stuck: float

    @property
    def two_ends(self) -> bool:
        """Whether both ends together hold 90% of the scores, so that one holds half whatever they
        mean."""
        return min(self.floor, self.ceiling) > 0 and self.floor + self.ceiling >= IN_USE

    @property
    def crowding(self) -> float:
        """Share of scores at the fuller end, [0, 1]; with two ends in use what it holds beyond a
        half, as a share of the other half."""
        share = max(self.floor, self.ceiling)
        return max(0.0, 2 * share - 1) if self.two_ends else share


def score_use(scores: Floats, low: float, high: float) -> ScoreUse | None:
    """Floor and ceiling effects of some scores, and whether they stick at one value; None without
    scores.

    Args:
        scores: [n].
        low: lowest allowed score.
        high: highest allowed score.
    """
    refuse_not_finite(scores=scores)
    if not len(scores):
        return None
    near = AT_END * (high - low)
    middle, step = float(np.median(scores)), usual_step(scores)
    fine = step is not None and step <= near
    return ScoreUse(
        n=len(scores),
        floor=float((scores <= low + near).mean()),
        ceiling=float((scores >= high - near).mean()),
        distinct=len(np.unique(scores)),
        middle=middle,
        stuck=float((np.abs(scores - middle) <= near).mean()) if fine else 0.0,
    )


@dataclass(frozen=True)
class Rounding:
    """How coarse some scores are.

    Attributes:
        step: the usual difference between neighbouring scores; None where fewer than two differ.
        variance: population variance of what r is taken over: the scores, or their drifts.
        share: share of it that rounding to the step accounts for, [0, 1]; 1 where nothing varies.
    """

    step: float | None
    variance: float
    share: float


def rounding_of(scores: Floats, drifts: Floats | None = None) -> Rounding:
    """The share of the variance of scores, or of their drifts, that rounding to a step makes up.

    step^2 / 12 over the variance of the scores; a drift is a difference of two rounded scores, so
    2 step^2 / 12 over the variance of the drifts. Source: Sheppard 1898, Proceedings of the London
    Mathematical Society 29: 353-380.

    Args:
        scores: [n].
        drifts: of the same scores, where r is taken over drifts, [cases].
    """
    judged = scores if drifts is None else drifts
    variance = float(judged.var()) if len(judged) else 0.0
    step = usual_step(scores)
    if step is None or variance == 0:
        return Rounding(step, variance, 1.0)
    errors = 1 if drifts is None else 2
    return Rounding(step, variance, min(1.0, errors * step**2 / 12 / variance))


def usual_step(scores: Floats) -> float | None:
    """The usual difference between neighbouring scores, score units; None below two values.

    The median gap between neighbours among the most used values that make up 90% of the scores
    (at least two), each gap weighted by the rarer of its two values.

    Args:
        scores: [n].
    """
    refuse_not_finite(scores=scores)
    values, counts = np.unique(scores, return_counts=True)
    if len(values) < 2:
        return None
    by_use = np.argsort(-counts, kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[by_use]), IN_USE * len(scores))) + 1
    kept = np.sort(by_use[: max(2, enough)])
    gaps, weights = np.diff(values[kept]), np.minimum(counts[kept][1:], counts[kept][:-1])
    order = np.argsort(gaps)
    total = np.cumsum(weights[order])
    return float(gaps[order][np.searchsorted(total, total[-1] / 2)])


@dataclass(frozen=True)
class Reliability:
    """How well a judge agrees with itself, over what r is taken over: scores, or their drifts.

    Attributes:
        single: reliability of one scoring, ICC(1,1), at most 1; an estimate may be negative.
        mean: reliability of the mean of all scorings, ICC(1,k), at most 1.
        used: of the scores as the study uses them: ``mean`` if every case was scored several
            times, else ``single``.
        scorings: k, how often each of the cases behind it was scored.
    """

    single: Estimate
    mean: Estimate
    used: Estimate
    scorings: int

    @property
    def ceiling(self) -> Estimate:
        """Highest r that a perfect vector can have with these scores: sqrt(reliability).

        Range [0, 1], a negative reliability counting as 0. Source: Spearman 1904, American
        Journal of Psychology 15: 72-101.
        """
        if self.used.value is None:
            return self.used

        def root(value: float | None) -> float | None:
            return None if value is None else math.sqrt(max(0.0, value))

        return dataclasses.replace(
            self.used,
            value=root(self.used.value),
            low=root(self.used.low),
            high=root(self.used.high),
            p=None,
        )


def judge_reliability(scorings: Floats, strata: Integers, *, every: bool) -> Reliability:
    """Intraclass correlation of cases that were each scored k times, one-way, within responders.

    ICC(1,1) = (B - W) / (B + (k-1) W) and ICC(1,k) = (B - W) / B, of the mean squares between
    cases (B) and within (W), each with its F interval and the p of no reliability. A responder's
    mean is taken off its cases and off the degrees of freedom of B, as in every r. Source: Shrout
    and Fleiss 1979, Psychological Bulletin 86: 420-428.

    Args:
        scorings: score (or score drift) of each case by each scoring, [cases, k]; scorings that
            belong to no case of their own are exchangeable.
        strata: responder of each case, 0..m-1, [cases].
        every: whether every case of the trait was scored k times.

    Undefined without a second scoring, with fewer than two cases more than responders, or where
    nothing varies.
    """
    cases, k = scorings.shape
    if k < 2 or cases == 0:
        missing = Estimate.undefined(cases, "no response was scored several times")
        return Reliability(missing, missing, missing, k)
    means = scorings.mean(axis=1)
    counts = np.bincount(strata)
    responders = int((counts > 0).sum())
    free = cases - responders
    if free < 1:
        missing = Estimate.undefined(cases, "too few cases were scored several times")
        return Reliability(missing, missing, missing, k)
    centred = means - (np.bincount(strata, means) / np.maximum(counts, 1))[strata]
    between = k * float(centred @ centred) / free
    rest = scorings - means[:, None]
    within = float(np.square(rest).sum()) / (cases * (k - 1))
    if between <= 0 and within <= 0:
        missing = Estimate.undefined(cases, "the scores do not vary")
        return Reliability(missing, missing, missing, k)
    if within <= 0:
        why = "the scorings of every case are the same, so there is no interval"
        exact = Estimate(1.0, None, None, None, cases, why)
        return Reliability(exact, exact, exact, k)
    ratio, other = between / within, cases * (k - 1)
    low = ratio / float(special.fdtri(free, other, 0.975))
    high = ratio * float(special.fdtri(other, free, 0.975))
    p = float(special.fdtrc(free, other, ratio))

    def estimate(of: Callable[[float], float]) -> Estimate:
        return Estimate(of(ratio), of(low), of(high), p, cases, None, "F")

    single = estimate(lambda f: (f - 1) / (f + k - 1))
    mean = (
        estimate(lambda f: 1 - 1 / f)
        if between > 0
        else Estimate.undefined(cases, "the cases do not differ")
    )
    return Reliability(single, mean, mean if every else single, k)


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

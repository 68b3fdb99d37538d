"""Differences of paired values, and of paired yes or no."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from backend.core.arrays import Bools, Floats, refuse_not_finite
from backend.core.estimate import Estimate


def paired_difference(first: Floats, second: Floats) -> Estimate:
    """Mean of first - second with Student's t interval and p.

    Undefined with fewer than 2 pairs; interval and p also if the differences do not vary.

    Args:
        first: [n].
        second: [n], in the same order.
    """
    refuse_not_finite(first=first, second=second)
    difference = first - second
    n = len(difference)
    if n < 2:
        return Estimate.undefined(n, f"a paired comparison needs at least 2 pairs, not {n}")
    mean = float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1e-300, float(np.abs(difference).max())):
        return Estimate(mean, None, None, None, n, "all differences are the same")
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return Estimate(mean, mean - half, mean + half, p, n, None, "Student t")


def mcnemar(first: Bools, second: Bools) -> Estimate:
    """Share of yes in the first minus share in the second, of the same cases asked twice.

    p is McNemar's exact one: of the cases that changed, as many went one way as a fair coin would
    have it (McNemar 1947, Psychometrika 12: 153-157; binomial, two-sided). 1 where none changed.
    No interval is given. Range of the difference: [-1, 1]. Undefined without cases.

    Args:
        first: [n].
        second: of the same cases in the same order, [n].
    """
    n = len(first)
    if n == 0:
        return Estimate.undefined(n, "the two have no case in common")
    gained, lost = int((first & ~second).sum()), int((~first & second).sum())
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Estimate((gained - lost) / n, None, None, p, n)

"""Differences of paired values."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from backend.core.arrays import Floats, refuse_not_finite
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

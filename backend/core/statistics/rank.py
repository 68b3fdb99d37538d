"""Spearman's rank correlation with interval and p."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from backend.core.statistics.correlation import Correlation, Floats, correlation_p, pearson


def spearman(x: Floats, y: Floats) -> Correlation:
    """Spearman's rho: Pearson's r of midranks.

    The interval is Fisher's z with Bonett and Wright's variance (1 + rho^2 / 2) / (n - 3)
    (Psychometrika 2000, 65: 23-28), because ranks are not normal. p is Student's t with n - 2
    degrees of freedom, as in scipy. Undefined where Pearson's r of the ranks is.

    Args:
        x: [n].
        y: [n].
    """
    found = pearson(stats.rankdata(x), stats.rankdata(y))
    if found.r is None or found.low is None:
        return found
    low, high = spearman_interval(found.r, found.n)
    return Correlation(found.n, found.r, low, high, correlation_p(found.r, found.n))


def spearman_interval(rho: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of rho by Fisher's z with Bonett and Wright's variance.

    Args:
        rho: rank correlation, in [-1, 1].
        n: number of pairs, at least 4.
        level: coverage.

    Raises:
        ValueError: n < 4.
    """
    if n < 4:
        raise ValueError(f"an interval of rho needs n >= 4, not {n}")
    if abs(rho) >= 1.0:
        return (rho, rho)
    half = float(stats.norm.ppf(0.5 + level / 2)) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    z = float(np.arctanh(rho))
    return (math.tanh(z - half), math.tanh(z + half))

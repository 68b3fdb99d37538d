"""Do two correlations that share a variable differ?

"A's projections predict B's behaviour better than B's own": both r share B's behaviour, so they
are dependent, and the test must know the correlation between the two projections.
"""

from __future__ import annotations

import math

from scipy import special

from backend.core.estimate import Estimate
from backend.core.statistics.correlation import fisher_interval


def compare_dependent(r_first: float, r_second: float, r_between: float, n: int) -> Estimate:
    """Difference of two correlations with one variable in common.

    p by Williams's t with n - 3 degrees of freedom (Steiger 1980, Psychological Bulletin 87:
    245-251, eq. 7); interval by Zou 2007 (Psychological Methods 12: 399-413).

    Args:
        r_first: r of the first predictor with the shared variable.
        r_second: r of the second predictor with it.
        r_between: r of the two predictors.
        n: number of cases behind all three.

    Returns:
        r_first - r_second, with 95% interval and two-sided p. Undefined for n < 5 or where the
        predictors are the same or a correlation is perfect.
    """
    if n < 5:
        return Estimate.undefined(n, f"comparing two correlations needs at least 5 cases, not {n}")
    if abs(r_between) >= 1 or abs(r_first) >= 1 or abs(r_second) >= 1:
        return Estimate.undefined(n, "a correlation is perfect, so the test has no meaning")
    difference = r_first - r_second
    determinant = 1 - r_first**2 - r_second**2 - r_between**2 + 2 * r_first * r_second * r_between
    mean = (r_first + r_second) / 2
    scale = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - r_between) ** 3
    if scale <= 1e-14:
        return Estimate.undefined(n, "the three correlations leave nothing to test")
    t = difference * math.sqrt((n - 1) * (1 + r_between) / scale)
    p = float(2 * special.stdtr(n - 3, -abs(t)))
    low, high = _zou(r_first, r_second, r_between, n)
    return Estimate(difference, low, high, p, n)


def _zou(r1: float, r2: float, r12: float, n: int) -> tuple[float, float]:
    low1, high1 = fisher_interval(r1, n)
    low2, high2 = fisher_interval(r2, n)
    numerator = (r12 - 0.5 * r1 * r2) * (1 - r1**2 - r2**2 - r12**2) + r12**3
    shared = numerator / ((1 - r1**2) * (1 - r2**2))
    difference = r1 - r2
    below = (r1 - low1) ** 2 + (high2 - r2) ** 2 - 2 * shared * (r1 - low1) * (high2 - r2)
    above = (high1 - r1) ** 2 + (r2 - low2) ** 2 - 2 * shared * (high1 - r1) * (r2 - low2)
    return difference - math.sqrt(max(0.0, below)), difference + math.sqrt(max(0.0, above))

"""Do two correlations that share a variable differ?

"A's projections predict B's behaviour better than B's own": both r share B's behaviour, so they
are dependent, and the test must know the correlation between the two projections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats, refuse_not_finite
from backend.core.cases import Cases
from backend.core.estimate import JACKKNIFE, ZOU, Estimate
from backend.core.statistics.clustered import (
    LEAST_GROUPS,
    correlations_of,
    jackknife_error,
    left_out_products,
    p_over,
    quantile_over,
    too_few_groups,
)
from backend.core.statistics.correlation import fisher_interval, pearson

ALIKE = "both vectors project alike here, so that r is the same and nothing is left to test"


@dataclass(frozen=True)
class PredictorComparison:
    """Two predictors of the same cases.

    Attributes:
        first: r of the first predictor.
        second: r of the second.
        between: r of the two predictors.
        difference: first minus second, with Zou's interval and Williams's p; exactly 0, without
            a p, where the two are alike.
    """

    first: Estimate
    second: Estimate
    between: Estimate
    difference: Estimate


def compare_predictors(cases: Cases, second: Floats) -> PredictorComparison:
    """Whether the cases' x predicts y better than another predictor does.

    Args:
        cases: with the first predictor as x.
        second: the other predictor, [n].

    Independent cases are compared by Williams and Zou; dependent ones by the jackknife of the
    difference over their groups. Where the two predictors are the same but for rounding, the
    difference is 0, its interval too, and there is no test. It is undefined where one of the three
    correlations is, with its reason.
    """
    rs = (pearson(cases), pearson(cases.with_x(second)), pearson(cases.with_y(second)))
    first, other, between = rs
    if first.value is None or other.value is None or between.value is None:
        reason = next(r.reason for r in rs if r.value is None)
        difference = Estimate.undefined(len(cases), reason or "a correlation is undefined")
    elif between.value >= 1 - 1e-9:
        difference = no_difference(cases)
    elif cases.dependent:
        difference = _over_groups(first.value - other.value, cases, second)
    else:
        free = len(cases) - cases.absorbed
        difference = compare_dependent(first.value, other.value, between.value, free)
    return PredictorComparison(*rs, difference)


def _over_groups(difference: float, cases: Cases, second: Floats) -> Estimate:
    n, k = len(cases), cases.group_count
    if k < LEAST_GROUPS:
        return Estimate(difference, None, None, None, n, too_few_groups(k), groups=k)
    columns = np.column_stack([cases.x, second, cases.y])
    left_out = left_out_products(columns, cases).products
    error = float(
        jackknife_error(correlations_of(left_out, 0, 2) - correlations_of(left_out, 1, 2))
    )
    if not error > 1e-12:
        why = "the difference does not vary from group to group"
        return Estimate(difference, None, None, None, n, why, groups=k)
    half = quantile_over(k) * error
    return Estimate(
        value=difference,
        low=difference - half,
        high=difference + half,
        p=p_over(k, difference / error),
        n=n,
        interval_method=f"difference of r, {JACKKNIFE}",
        groups=k,
    )


def no_difference(cases: Cases) -> Estimate:
    """The difference of two predictors of some cases that are the same but for rounding."""
    groups = cases.group_count if cases.dependent else None
    return Estimate(0.0, 0.0, 0.0, None, len(cases), ALIKE, groups=groups)


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
    refuse_not_finite(r_first=r_first, r_second=r_second, r_between=r_between)
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
    return Estimate(difference, low, high, p, n, None, ZOU)


def _zou(r1: float, r2: float, r12: float, n: int) -> tuple[float, float]:
    low1, high1 = fisher_interval(r1, n)
    low2, high2 = fisher_interval(r2, n)
    numerator = (r12 - 0.5 * r1 * r2) * (1 - r1**2 - r2**2 - r12**2) + r12**3
    shared = numerator / ((1 - r1**2) * (1 - r2**2))
    difference = r1 - r2
    below = (r1 - low1) ** 2 + (high2 - r2) ** 2 - 2 * shared * (r1 - low1) * (high2 - r2)
    above = (high1 - r1) ** 2 + (r2 - low2) ** 2 - 2 * shared * (high1 - r1) * (r2 - low2)
    return difference - math.sqrt(max(0.0, below)), difference + math.sqrt(max(0.0, above))

"""Means, standard deviations and shares with their intervals."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from backend.core.arrays import Floats, Integers, refuse_not_finite
from backend.core.estimate import JACKKNIFE, STUDENT, Estimate
from backend.core.statistics.clustered import (
    LEAST_GROUPS,
    jackknife_error,
    quantile_over,
    too_few_groups,
)

# Fewer cases than this do not show the tails that the interval of a standard deviation needs.
LEAST = 10


def mean(values: Floats, groups: Integers, level: float = 0.95) -> Estimate:
    """Mean with an interval over groups, in the units of the values.

    The standard error is the jackknife's over groups, with Student's t with groups - 1; where
    every value is a group of its own this is Student's interval. Undefined without values; the
    interval needs 2 groups, or 4 where values are dependent.

    Args:
        values: [n].
        groups: 0..k-1, [n]: values of one group are dependent.
        level: coverage.
    """
    refuse_not_finite(values=values)
    n = len(values)
    if not n:
        return Estimate.undefined(0, "there are no values")
    value, counts = float(values.mean()), np.bincount(groups)
    k = len(counts)
    dependent = k < n
    if dependent and k < LEAST_GROUPS:
        return Estimate(value, None, None, None, n, too_few_groups(k), groups=k)
    if k < 2:
        return Estimate(value, None, None, None, n, "an interval needs at least 2 values, not 1")
    sums = np.bincount(groups, values - value)
    error = float(jackknife_error(-sums / (n - counts)))
    half = quantile_over(k, level) * error
    method = JACKKNIFE if dependent else STUDENT
    return Estimate(
        value, value - half, value + half, None, n, None, method, groups=k if dependent else None
    )


def standard_deviation(values: Floats, level: float = 0.95) -> Estimate:
    """Sample standard deviation with an interval that allows for tails unlike the normal's.

    Undefined with fewer than 2 values; the interval needs 10 and values that vary. Range of value,
    low and high: [0, inf), in the units of the values. Source: Bonett 2006, Computational
    Statistics & Data Analysis 50: 775-782.

    Args:
        values: [n].
        level: coverage.
    """
    refuse_not_finite(values=values)
    n = len(values)
    if n < 2:
        return Estimate.undefined(n, f"a standard deviation needs at least 2 values, not {n}")
    sd = float(values.std(ddof=1))
    if n < LEAST or sd <= 0:
        why = "the values do not vary" if sd <= 0 else f"an interval needs {LEAST} values, not {n}"
        return Estimate(sd, None, None, None, n, why)
    # Imported here: it takes a worker's start a second, and a run's derivation needs none of it.
    from scipy import stats

    z = float(special.ndtri(0.5 + level / 2))
    middle = stats.trim_mean(values, 1 / (2 * math.sqrt(n - 4)))
    squares = np.square(values - values.mean()).sum()
    kurtosis = n * float(((values - middle) ** 4).sum() / squares**2)
    small = n / (n - z)
    error = small * math.sqrt(max(0.0, kurtosis - (n - 3) / n) / (n - 1))
    low, high = (math.sqrt(small * sd**2 * math.exp(sign * z * error)) for sign in (-1, 1))
    return Estimate(sd, low, high, None, n, None, "Bonett")


def share(count: int, n: int, level: float = 0.95) -> Estimate:
    """A share of n cases with Wilson's interval; undefined without cases. Range [0, 1].

    Source: Wilson 1927, Journal of the American Statistical Association 22: 209-212.

    Args:
        count: cases that count, 0 to n.
        n: all cases.
        level: coverage.
    """
    if n < 1:
        return Estimate.undefined(n, "there are no cases")
    from scipy import stats  # here, as above

    interval = stats.binomtest(count, n).proportion_ci(level, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Estimate(count / n, low, high, None, n, None, "Wilson")

"""A straight line through points, with the band of its mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import JACKKNIFE, Estimate
from backend.core.statistics.clustered import (
    LEAST_GROUPS,
    jackknife_error,
    left_out_products,
    p_over,
    quantile_over,
    too_few_groups,
)
from backend.core.statistics.correlation import FLAT

POINTS = 41


@dataclass(frozen=True)
class Line:
    """Least squares line y = intercept + slope x over the range of x.

    Attributes:
        x: where it is evaluated, [points], ascending.
        y: the line there, [points].
        low: lower end of the 95% interval of the mean of y, [points]; NaN where there are too
            few groups for one.
        high: upper end.
        slope: change of y per unit of x, with Student's t interval and p.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    slope: Estimate


def regression_line(cases: Cases, level: float = 0.95) -> Line | None:
    """The least squares line of y on x within responders, with a pointwise band.

    Independent cases: errors of equal variance assumed. Dependent ones: the jackknife over groups.

    Args:
        cases: x and y.
        level: coverage.

    Returns:
        None with fewer than 3 points or where x does not vary.
    """
    inner = cases.within_responders()
    x, y = inner.x, inner.y
    n = len(x)
    if n < 3 or np.ptp(x) <= FLAT * np.abs(x).max():
        return None
    dx = x - x.mean()
    square = float(dx @ dx)
    slope = float(dx @ y) / square
    rest = y - y.mean() - slope * dx
    at = np.linspace(x.min(), x.max(), POINTS)
    middle = y.mean() + slope * (at - x.mean())
    if cases.dependent:
        return _over_groups(inner, at, middle, slope, level)
    free = n - 2 - cases.absorbed
    if free < 1:
        return None
    scale = math.sqrt(float(rest @ rest) / free)
    t = float(special.stdtrit(free, 0.5 + level / 2))
    half = t * scale * np.sqrt(1 / n + np.square(at - x.mean()) / square)
    error = scale / math.sqrt(square)
    p = float(2 * special.stdtr(free, -abs(slope) / error)) if error > 0 else 0.0
    found = Estimate(slope, slope - t * error, slope + t * error, p, n, None, "Student t")
    return Line(at, middle, middle - half, middle + half, found)


def _over_groups(cases: Cases, at: Floats, middle: Floats, slope: float, level: float) -> Line:
    n, k = len(cases), cases.group_count
    if k < LEAST_GROUPS:
        nowhere = np.full(len(at), np.nan)
        return Line(
            at, middle, nowhere, nowhere, Estimate(slope, None, None, None, n, too_few_groups(k))
        )
    left = left_out_products(np.column_stack([cases.x, cases.y]), cases).products
    slopes = left[:, 0, 1] / left[:, 0, 0]
    counts = n - np.bincount(cases.groups)
    mean_x, mean_y = ((v.sum() - np.bincount(cases.groups, v)) / counts for v in (cases.x, cases.y))
    lines = mean_y[:, None] + slopes[:, None] * (at - mean_x[:, None])
    t = quantile_over(k, level)
    half, error = t * jackknife_error(lines), float(jackknife_error(slopes))
    p = p_over(k, slope / error) if error > 0 else 0.0
    ends = slope - t * error, slope + t * error
    found = Estimate(slope, *ends, p, n, None, f"slope, {JACKKNIFE}", groups=k)
    return Line(at, middle, middle - half, middle + half, found)

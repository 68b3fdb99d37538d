"""A straight line through points, with the band of its mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import FLAT

POINTS = 41


@dataclass(frozen=True)
class Line:
    """Least squares line y = intercept + slope x over the range of x.

    Attributes:
        x: where it is evaluated, [points], ascending.
        y: the line there, [points].
        low: lower end of the 95% interval of the mean of y, [points].
        high: upper end.
        slope: change of y per unit of x, with Student's t interval and p.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    slope: Estimate


def regression_line(cases: Cases, level: float = 0.95) -> Line | None:
    """The least squares line of y on x with a pointwise band; errors of equal variance assumed.

    Args:
        cases: x and y.
        level: coverage.

    Returns:
        None with fewer than 3 points or where x does not vary.
    """
    x, y = cases.x, cases.y
    n = len(x)
    if n < 3 or np.ptp(x) <= FLAT * np.abs(x).max():
        return None
    dx = x - x.mean()
    square = float(dx @ dx)
    slope = float(dx @ y) / square
    rest = y - y.mean() - slope * dx
    scale = math.sqrt(float(rest @ rest) / (n - 2))
    at = np.linspace(x.min(), x.max(), POINTS)
    middle = y.mean() + slope * (at - x.mean())
    t = float(stats.t.ppf(0.5 + level / 2, n - 2))
    half = t * scale * np.sqrt(1 / n + np.square(at - x.mean()) / square)
    error = scale / math.sqrt(square)
    p = float(2 * stats.t.sf(abs(slope) / error, n - 2)) if error > 0 else 0.0
    found = Estimate(slope, slope - t * error, slope + t * error, p, n, None, "Student t")
    return Line(at, middle, middle - half, middle + half, found)

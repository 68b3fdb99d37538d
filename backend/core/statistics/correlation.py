"""Pearson's r with interval and p."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# Below this share of the larger scale a spread is rounding, not signal.
FLAT = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and how sure it is.

    Attributes:
        n: number of pairs.
        r: in [-1, 1]; None where undefined.
        low: lower end of the 95% interval (Fisher z); None where undefined.
        high: upper end.
        p: two-sided p of r = 0 by Student's t with n - 2 degrees of freedom.
        reason: why a value is missing; None if all are there.
    """

    n: int
    r: float | None
    low: float | None
    high: float | None
    p: float | None
    reason: str | None = None


def pearson(x: Floats, y: Floats) -> Correlation:
    """Pearson's r of two samples.

    Args:
        x: [n].
        y: [n].

    Undefined if n < 3 or either sample is constant; the interval needs n >= 4.

    Raises:
        ValueError: shapes differ.
    """
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x and y must be two vectors of one length, not {x.shape}, {y.shape}")
    if len(x) < 3:
        return _too_few(len(x))
    dx, dy = x - x.mean(), y - y.mean()
    if np.abs(dx).max() <= FLAT * np.abs(x).max():
        return Correlation(len(x), None, None, None, None, "the projections do not vary")
    if np.abs(dy).max() <= FLAT * np.abs(y).max():
        return Correlation(len(x), None, None, None, None, "the scores do not vary")
    return pearson_from_sums(
        product=float(dx @ dy), x_square=float(dx @ dx), y_square=float(dy @ dy), n=len(x)
    )


def pearson_from_sums(product: float, x_square: float, y_square: float, n: int) -> Correlation:
    """Pearson's r from centred sums, so that it can come from w'b, w'Sw and y'y.

    Args:
        product: sum of (x - mean x)(y - mean y).
        x_square: sum of squares of the centred x.
        y_square: sum of squares of the centred y.
        n: number of pairs.

    Undefined if n < 3 or a sum of squares is zero; the interval needs n >= 4.
    """
    if n < 3:
        return _too_few(n)
    if x_square <= 0:
        return Correlation(n, None, None, None, None, "the projections do not vary")
    if y_square <= 0:
        return Correlation(n, None, None, None, None, "the scores do not vary")
    r = max(-1.0, min(1.0, product / math.sqrt(x_square * y_square)))
    low, high = fisher_interval(r, n) if n >= 4 else (None, None)
    reason = None if n >= 4 else f"an interval needs at least 4 scenarios, not {n}"
    return Correlation(n, r, low, high, correlation_p(r, n), reason)


def correlation_p(r: float, n: int, controls: int = 0) -> float:
    """Two-sided p of r = 0: t = r sqrt(df / (1 - r^2)) with df = n - 2 - controls.

    Args:
        r: correlation or partial correlation, in [-1, 1].
        n: number of cases.
        controls: number of variables held constant.

    Raises:
        ValueError: no degrees of freedom are left.
    """
    df = n - 2 - controls
    if df < 1:
        raise ValueError(f"n={n} with {controls} controls leaves {df} degrees of freedom")
    if abs(r) >= 1.0:
        return 0.0
    t = r * math.sqrt(df / (1.0 - r * r))
    return float(2.0 * special.stdtr(df, -abs(t)))


def fisher_interval(r: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of r by Fisher's z: tanh(atanh r +- q / sqrt(n - 3)).

    Args:
        r: correlation, in [-1, 1].
        n: number of pairs, at least 4.
        level: coverage.

    Raises:
        ValueError: n < 4.
    """
    if n < 4:
        raise ValueError(f"Fisher's interval needs n >= 4, not {n}")
    if abs(r) >= 1.0:
        return (r, r)
    half = float(special.ndtri(0.5 + level / 2)) / math.sqrt(n - 3)
    z = math.atanh(r)
    return (math.tanh(z - half), math.tanh(z + half))


def _too_few(n: int) -> Correlation:
    return Correlation(
        n, None, None, None, None, f"r needs at least 3 scored scenarios, and there are {n}"
    )

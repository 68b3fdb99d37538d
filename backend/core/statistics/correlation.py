"""Pearson's r and Spearman's rho with interval and p."""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from backend.core.arrays import Floats, refuse_not_finite
from backend.core.cases import Cases
from backend.core.estimate import FISHER_Z, Estimate

# Below this share of the larger scale a spread is rounding, not signal.
FLAT = 1e-12


def pearson(cases: Cases) -> Estimate:
    """Pearson's r with Fisher's 95% interval and p.

    Range of value, low and high: [-1, 1]. p is two-sided, of r = 0, by Student's t with n - 2
    degrees of freedom. Undefined if n < 3 or either side is constant; the interval needs n >= 4.
    """
    x, y = cases.x, cases.y
    if len(x) < 3:
        return _too_few(len(x))
    dx, dy = x - x.mean(), y - y.mean()
    if np.abs(dx).max() <= FLAT * np.abs(x).max():
        return Estimate.undefined(len(x), "the projections do not vary")
    if np.abs(dy).max() <= FLAT * np.abs(y).max():
        return Estimate.undefined(len(x), "the scores do not vary")
    return pearson_from_sums(
        product=float(dx @ dy), x_square=float(dx @ dx), y_square=float(dy @ dy), n=len(x)
    )


def pearson_from_sums(product: float, x_square: float, y_square: float, n: int) -> Estimate:
    """Pearson's r from centred sums, so that it can come from w'b, w'Sw and y'y.

    Args:
        product: sum of (x - mean x)(y - mean y).
        x_square: sum of squares of the centred x.
        y_square: sum of squares of the centred y.
        n: number of pairs.

    Undefined if n < 3 or a sum of squares is zero; the interval needs n >= 4.
    """
    refuse_not_finite(product=product, x_square=x_square, y_square=y_square)
    if n < 3:
        return _too_few(n)
    if x_square <= 0:
        return Estimate.undefined(n, "the projections do not vary")
    if y_square <= 0:
        return Estimate.undefined(n, "the scores do not vary")
    r = max(-1.0, min(1.0, product / math.sqrt(x_square * y_square)))
    if n < 4:
        reason = f"an interval needs at least 4 scenarios, not {n}"
        return Estimate(r, None, None, correlation_p(r, n), n, reason)
    return Estimate(r, *fisher_interval(r, n), correlation_p(r, n), n, None, FISHER_Z)


def spearman(cases: Cases) -> Estimate:
    """Spearman's rho: Pearson's r of midranks.

    The interval is Fisher's z with Bonett and Wright's variance (1 + rho^2 / 2) / (n - 3)
    (Psychometrika 2000, 65: 23-28), because ranks are not normal. p is Student's t with n - 2
    degrees of freedom, as in scipy. Undefined where Pearson's r of the ranks is.
    """
    found = pearson(cases.with_x(stats.rankdata(cases.x)).with_y(stats.rankdata(cases.y)))
    if found.value is None or found.low is None:
        return found
    return Estimate(
        found.value,
        *spearman_interval(found.value, found.n),
        correlation_p(found.value, found.n),
        found.n,
        None,
        "Bonett and Wright",
    )


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


def residual(values: Floats, other: Floats) -> Floats:
    """What is left of values after regression on one other variable; the mean is kept.

    Args:
        values: [n].
        other: [n], not constant.
    """
    centred = other - other.mean()
    rest: Floats = values - centred * float(values @ centred) / float(centred @ centred)
    return rest


def _too_few(n: int) -> Estimate:
    return Estimate.undefined(n, f"r needs at least 3 scored scenarios, and there are {n}")

"""Pearson's r and Spearman's rho with interval and p."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from backend.core.arrays import Bools, Floats, refuse_not_finite
from backend.core.cases import Cases
from backend.core.estimate import BONETT_WRIGHT, FISHER_Z, GROUPED_Z, Estimate
from backend.core.statistics.clustered import (
    LEAST_GROUPS,
    correlations_of,
    effective_count,
    fisher_z,
    jackknife_error,
    left_out_products,
    p_over,
    quantile_over,
    too_few_groups,
)

# Below this share of the larger scale a spread is rounding, not signal.
FLAT = 1e-12


def pearson(cases: Cases) -> Estimate:
    """Pearson's r within responders, with 95% interval and p.

    Each value is taken from its responder's mean, as responders that differ make a correlation
    that says nothing of the vector; ``Cases.pooled`` gives the r over all of them. Range of value,
    low and high: [-1, 1]. Independent cases: Fisher's interval, and Student's t with n - 2 degrees
    of freedom, less one for each further responder. Dependent ones: Fisher's z with its jackknife
    error over groups and Student's t with groups - 1. Undefined if n < 3 or either side is
    constant; the interval needs 4 cases, or 4 groups.
    """
    n = len(cases)
    if n < 3:
        return _too_few(n)
    inner = cases.within_responders()
    dx, dy = inner.x - inner.x.mean(), inner.y - inner.y.mean()
    where = " within any responder" if cases.absorbed else ""
    if np.abs(dx).max() <= FLAT * np.abs(cases.x).max():
        return Estimate.undefined(n, f"the projections do not vary{where}")
    if np.abs(dy).max() <= FLAT * np.abs(cases.y).max():
        return Estimate.undefined(n, f"the scores do not vary{where}")
    product, x_square, y_square = float(dx @ dy), float(dx @ dx), float(dy @ dy)
    if not cases.dependent:
        return pearson_from_sums(product, x_square, y_square, n, cases.absorbed)
    r = max(-1.0, min(1.0, product / math.sqrt(x_square * y_square)))
    return over_groups(r, cases, correlations_of(_without_groups(cases), 0, 1))


def over_groups(r: float, cases: Cases, left_out: Floats) -> Estimate:
    """A correlation of dependent cases with the interval and p that its groups give it.

    Args:
        r: the correlation over all cases.
        cases: whose groups they are.
        left_out: the correlation without each group, [groups]; NaN where undefined.
    """
    n, k = len(cases), cases.group_count
    if k < LEAST_GROUPS:
        return Estimate(r, None, None, None, n, too_few_groups(k), groups=k)
    if np.isnan(left_out).any():
        reason = "without one of the groups nothing varies"
        return Estimate(r, None, None, None, n, reason, groups=k)
    error = float(jackknife_error(fisher_z(left_out)))
    return with_z_error(r, error, n, k, n - cases.absorbed, GROUPED_Z)


def with_z_error(
    r: float, error: float, n: int, groups: int, most: float, interval_method: str
) -> Estimate:
    """A correlation of dependent cases whose Fisher z has a known standard error.

    Args:
        r: the correlation.
        error: standard error of its Fisher z over the groups.
        n: number of cases.
        groups: number of groups, at least 2.
        most: how many independent cases they are worth at most.
        interval_method: how the error was found.
    """
    z = float(fisher_z(np.array(r)))
    half = quantile_over(groups) * error
    return Estimate(
        value=r,
        low=math.tanh(z - half),
        high=math.tanh(z + half),
        p=p_over(groups, z / error) if error > 0 else 0.0,
        n=n,
        interval_method=interval_method,
        effective=effective_count(error, most),
        groups=groups,
    )


def _without_groups(cases: Cases) -> Floats:
    return left_out_products(np.column_stack([cases.x, cases.y]), cases).products


def pearson_from_sums(
    product: float, x_square: float, y_square: float, n: int, absorbed: int = 0
) -> Estimate:
    """Pearson's r of independent cases from centred sums, such as w'b, w'Sw and y'y.

    Args:
        product: sum of (x - mean x)(y - mean y).
        x_square: sum of squares of the centred x.
        y_square: sum of squares of the centred y.
        n: number of pairs.
        absorbed: degrees of freedom that were taken by means beyond the first.

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
    free = n - absorbed
    if free < 4:
        reason = f"an interval needs at least {4 + absorbed} scenarios, not {n}"
        p = correlation_p(r, free) if free > 2 else None
        return Estimate(r, None, None, p, n, reason)
    effective = float(free) if absorbed else None
    return Estimate(
        r,
        *fisher_interval(r, free),
        correlation_p(r, free),
        n,
        None,
        FISHER_Z,
        effective=effective,
    )


def spearman(cases: Cases) -> Estimate:
    """Spearman's rho: Pearson's r of midranks, ranked within each responder.

    The interval is Fisher's z with Bonett and Wright's variance (1 + rho^2 / 2) / (n - 3)
    (Psychometrika 2000, 65: 23-28), because ranks are not normal. p is Student's t with n - 2
    degrees of freedom, as in scipy. Of dependent cases both are by the jackknife over groups, with
    the ranks taken anew without each. Undefined where Pearson's r of the ranks is.
    """
    return spearmans([cases])[0]


def spearmans(predictors: Sequence[Cases]) -> list[Estimate]:
    """:func:`spearman` of several predictors of the same behaviour, which is ranked once.

    Args:
        predictors: cases that differ in x alone.

    Raises:
        ValueError: the cases are not the same.
    """
    if not predictors:
        return []
    one = same_behaviour(predictors)
    y = _ranks(one.y, one)
    return [
        _spearman(cases, cases.with_x(_ranks(cases.x, cases)).with_y(y)) for cases in predictors
    ]


def same_behaviour(predictors: Sequence[Cases]) -> Cases:
    """The first of some cases that differ in x alone.

    Args:
        predictors: at least one.

    Raises:
        ValueError: the cases are not the same.
    """
    one = predictors[0]
    for cases in predictors[1:]:
        if not (np.array_equal(cases.y, one.y) and np.array_equal(cases.groups, one.groups)):
            raise ValueError("predictors that are taken together must share y and groups")
    return one


def _spearman(cases: Cases, ranked: Cases) -> Estimate:
    found = pearson(ranked)
    if found.value is None or found.low is None:
        return found
    if cases.dependent:
        return over_groups(found.value, cases, _rho_without_groups(cases))
    low, high = spearman_interval(found.value, found.n - cases.absorbed)
    return dataclasses.replace(found, low=low, high=high, interval_method=BONETT_WRIGHT)


def _ranks(values: Floats, cases: Cases) -> Floats:
    """Midranks within each responder; as shares of its cases where there are several."""
    if cases.stratum_count < 2:
        return midranks(values)
    found = np.empty(len(values))
    for stratum in range(cases.stratum_count):
        own = cases.strata == stratum
        found[own] = midranks(values[own]) / (own.sum() + 1)
    return found


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs. Args: values, [n]."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - 0.5 * (counts - 1))[level]
    return ranks


def _rho_without_groups(cases: Cases) -> Floats:
    """rho without each group, [groups], ranks being those of the cases that are left."""
    kept = ~(cases.groups[None, :] == np.arange(cases.group_count)[:, None])
    ranks = [_ranks_without_groups(values, cases, kept) for values in (cases.x, cases.y)]
    products = np.zeros((2, 2, cases.group_count))
    for stratum in range(cases.stratum_count):
        own = cases.strata == stratum
        count = np.maximum(kept[:, own].sum(axis=1, keepdims=True), 1)
        rows = [np.where(kept[:, own], rank[:, own], 0.0) for rank in ranks]
        rows = [
            np.where(kept[:, own], row - row.sum(axis=1, keepdims=True) / count, 0.0)
            for row in rows
        ]
        products += np.array([[(a * b).sum(axis=1) for b in rows] for a in rows])
    return correlations_of(np.moveaxis(products, -1, 0), 0, 1)


def _ranks_without_groups(values: Floats, cases: Cases, kept: Bools) -> Floats:
    """Midrank of each case among those of its responder that are kept, [groups, n]."""
    found = np.zeros(kept.shape)
    for stratum in range(cases.stratum_count):
        own = np.flatnonzero(cases.strata == stratum)
        _, level = np.unique(values[own], return_inverse=True)
        gone = np.zeros((cases.group_count, int(level.max()) + 1))
        np.add.at(gone, (cases.groups[own], level), 1.0)
        left = np.bincount(level) - gone
        middle = np.cumsum(left, axis=1) - 0.5 * (left - 1)
        share = left.sum(axis=1, keepdims=True) + 1 if cases.absorbed else 1.0
        found[:, own] = middle[:, level] / share
    return found


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
    half = float(special.ndtri(0.5 + level / 2)) * math.sqrt((1 + rho * rho / 2) / (n - 3))
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

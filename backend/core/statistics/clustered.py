"""How sure a statistic of dependent cases is: the jackknife over groups.

Each group of dependent cases is left out in turn, all at once from sums over groups. Over groups
the statistics vary as independent cases would, whatever happens within one. Source: Cameron and
Miller 2015, Journal of Human Resources 50: 317-372 (section VI.A, CV3); Student's t with k - 1
degrees of freedom, as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats
from backend.core.cases import Cases

# With fewer groups the spread of the left-out statistics is a guess.
LEAST_GROUPS = 4


def too_few_groups(groups: int) -> str:
    """Why there is no interval over so few groups of dependent cases."""
    return f"an interval needs at least {LEAST_GROUPS} groups of dependent cases, not {groups}"


@dataclass(frozen=True)
class LeftOut:
    """Products of columns, centred within responders, with each group left out in turn.

    Attributes:
        whole: products of all cases, [c, c].
        products: without each group, [k, c, c].
    """

    whole: Floats
    products: Floats


def left_out_products(columns: Floats, cases: Cases) -> LeftOut:
    """Centred sums of squares and products, with each group left out in turn.

    Args:
        columns: values of the cases, [n, c].
        cases: whose groups and responders they have.
    """
    # Centring first keeps the differences of sums below exact enough.
    rows = columns - columns.mean(axis=0)
    k, m, c = cases.group_count, cases.stratum_count, rows.shape[1]
    place = cases.groups * m + cases.strata
    counts = np.bincount(place, minlength=k * m).reshape(k, m).astype(np.float64)
    sums = np.stack(
        [np.bincount(place, column, minlength=k * m).reshape(k, m) for column in rows.T], axis=-1
    )
    squares = np.empty((k, c, c))
    for i in range(c):
        for j in range(i + 1):
            squares[:, i, j] = squares[:, j, i] = np.bincount(
                cases.groups, rows[:, i] * rows[:, j], minlength=k
            )

    def within(square: Floats, total: Floats, count: Floats) -> Floats:
        # A responder with no case left has no mean and takes nothing off.
        scaled = total / np.maximum(count, 1.0)[..., None]
        found: Floats = square - np.einsum("...mi,...mj->...ij", scaled, total)
        return found

    return LeftOut(
        whole=within(squares.sum(axis=0), sums.sum(axis=0), counts.sum(axis=0)),
        products=within(
            squares.sum(axis=0) - squares, sums.sum(axis=0) - sums, counts.sum(axis=0) - counts
        ),
    )


def correlations_of(products: Floats, first: int, second: int) -> Floats:
    """r of two columns from their centred products, [...]; NaN where one does not vary.

    Args:
        products: [..., c, c].
        first: one column.
        second: the other.
    """
    square = products[..., first, first] * products[..., second, second]
    varies = square > 0
    r = products[..., first, second] / np.sqrt(np.where(varies, square, 1.0))
    found: Floats = np.where(varies, np.clip(r, -1.0, 1.0), np.nan)
    return found


def fisher_z(r: Floats) -> Floats:
    """atanh r; a perfect r is taken as just short of it."""
    found: Floats = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    return found


def jackknife_error(left_out: Floats) -> Floats:
    """Standard error of a statistic, [...].

    Args:
        left_out: the statistic without each group, [k, ...].
    """
    k = len(left_out)
    deviations = left_out - left_out.mean(axis=0)
    found: Floats = np.sqrt((k - 1) / k * np.square(deviations).sum(axis=0))
    return found


def quantile_over(groups: int, level: float = 0.95) -> float:
    """What a standard error over k groups is multiplied by: Student's t with k - 1.

    Args:
        groups: k, at least 2.
        level: coverage.
    """
    return float(special.stdtrit(groups - 1, 0.5 + level / 2))


def p_over(groups: int, t: float) -> float:
    """Two-sided p of a statistic of t standard errors over k groups."""
    return float(2 * special.stdtr(groups - 1, -abs(t)))


def effective_count(error: float, most: float) -> float:
    """Number of independent cases whose Fisher z would be as sure: 3 + 1 / error^2.

    Args:
        error: standard error of z.
        most: number of cases there are; dependence that helps is not counted on.
    """
    return most if error <= 0 else min(most, 3 + 1 / error**2)


def effective_of(cases: Cases) -> float:
    """How many independent cases r of these is worth; n less the responders' means where no two
    are dependent.

    n where r is undefined or there are too few groups, as then no interval is given.
    """
    n = len(cases) - cases.absorbed
    if not cases.dependent or cases.group_count < LEAST_GROUPS:
        return float(n)
    found = left_out_products(np.column_stack([cases.x, cases.y]), cases)
    z = fisher_z(correlations_of(found.products, 0, 1))
    if np.isnan(z).any() or math.isnan(float(correlations_of(found.whole, 0, 1))):
        return float(n)
    return effective_count(float(jackknife_error(z)), n)

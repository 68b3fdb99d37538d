"""Differences and ratios of paired values, and differences of paired yes or no."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import combinations

import numpy as np
from scipy import special, stats

from backend.core.arrays import Bools, Floats, refuse_not_finite
from backend.core.estimate import STUDENT_OF_LOGARITHM, Estimate
from backend.core.statistics.clustered import LEAST_GROUPS

# Beyond so many steps the exact distribution of Cochran's Q would take seconds.
_MOST_STEPS = 200_000


def paired_difference(first: Floats, second: Floats) -> Estimate:
    """Mean of first - second with Student's t interval and p.

    Undefined with fewer than 2 pairs; interval and p also if the differences do not vary.

    Args:
        first: [n].
        second: [n], in the same order.
    """
    refuse_not_finite(first=first, second=second)
    difference = first - second
    n = len(difference)
    if n < 2:
        return Estimate.undefined(n, f"a paired comparison needs at least 2 pairs, not {n}")
    mean = float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1e-300, float(np.abs(difference).max())):
        return Estimate(mean, None, None, None, n, "all differences are the same")
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return Estimate(mean, mean - half, mean + half, p, n, None, "Student t")


def geometric_ratio(first: Floats, second: Floats) -> Estimate:
    """Geometric mean of first / second, of the same cases measured twice.

    The interval is that of the mean of the logarithms, Student's t with n - 1 degrees of freedom:
    one pair with a ratio far from the others widens it and does not carry the mean, as it would
    carry a ratio of means. Range: above 0. Undefined without pairs or with a value that is not
    positive; no interval with fewer than 4 pairs, or if all ratios are the same.

    Args:
        first: [n].
        second: [n], in the same order.
    """
    refuse_not_finite(first=first, second=second)
    n = len(first)
    if n == 0:
        return Estimate.undefined(n, "the two have no case in common")
    if not ((first > 0).all() and (second > 0).all()):
        return Estimate.undefined(n, "a ratio needs positive values")
    logs = np.log(first / second)
    value = float(np.exp(logs.mean()))
    if n < LEAST_GROUPS:
        why = f"an interval needs at least {LEAST_GROUPS} pairs, not {n}"
        return Estimate(value, None, None, None, n, why)
    found = paired_difference(np.log(first), np.log(second))
    if found.low is None or found.high is None:
        return Estimate(value, None, None, None, n, "all ratios are the same")
    return Estimate(
        value, math.exp(found.low), math.exp(found.high), found.p, n, None, STUDENT_OF_LOGARITHM
    )


def mcnemar(first: Bools, second: Bools) -> Estimate:
    """Share of yes in the first minus share in the second, of the same cases asked twice.

    p is McNemar's exact one: of the cases that changed, as many went one way as a fair coin would
    have it (McNemar 1947, Psychometrika 12: 153-157; binomial, two-sided). 1 where none changed.
    No interval is given. Range of the difference: [-1, 1]. Undefined without cases.

    Args:
        first: [n].
        second: of the same cases in the same order, [n].
    """
    n = len(first)
    if n == 0:
        return Estimate.undefined(n, "the two have no case in common")
    gained, lost = int((first & ~second).sum()), int((~first & second).sum())
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Estimate((gained - lost) / n, None, None, p, n)


def cochran(answers: Bools) -> tuple[Estimate, bool]:
    """Cochran's Q: whether several columns of yes or no have the same share of yes.

    p is exact where that takes few steps: within each row every arrangement of its answers over the
    columns is as likely as another; else that of chi-square with k - 1 degrees of freedom
    (Cochran 1950, Biometrika 37: 256-266). With two columns it is McNemar's exact p. Range of Q:
    [0, n (k - 1)]. Undefined with fewer than two columns, without rows, or if every row has the
    same answer in all columns.

    Args:
        answers: [n, k], the same cases asked k times.

    Returns:
        Q with p, over n rows, and whether p is exact.
    """
    n, k = answers.shape
    if n == 0 or k < 2:
        return Estimate.undefined(n, "the columns have no case in common"), True
    rows = answers.sum(axis=1)
    spread = int((rows * (k - rows)).sum())
    if spread == 0:
        return Estimate.undefined(n, "every case has the same answer in all columns"), True
    totals = answers.sum(axis=0)
    observed = int(np.square(totals).sum())
    q = (k - 1) * (k * observed - int(totals.sum()) ** 2) / spread
    p = _share_as_unequal(rows.tolist(), k, observed)
    exact = p is not None
    return Estimate(q, None, None, float(stats.chi2.sf(q, k - 1)) if p is None else p, n), exact


def _share_as_unequal(rows: list[int], k: int, observed: int) -> float | None:
    """Share of all arrangements whose column totals have a sum of squares of at least so much; None
    where counting them takes too long.

    Columns are exchangeable, so the totals are followed as a sorted tuple.
    """
    states: dict[tuple[int, ...], float] = {(0,) * k: 1.0}
    steps = 0.0
    for yes in rows:
        if yes in (0, k):
            continue
        steps += len(states) * float(special.comb(k, yes))
        if steps > _MOST_STEPS:
            return None
        following: defaultdict[tuple[int, ...], float] = defaultdict(float)
        chosen = list(combinations(range(k), yes))
        for totals, share in states.items():
            for own in chosen:
                new = list(totals)
                for column in own:
                    new[column] += 1
                following[tuple(sorted(new))] += share / len(chosen)
        states = dict(following)
    # Rows with one answer everywhere move all totals alike.
    level = sum(yes == k for yes in rows)
    total = math.fsum(
        share
        for totals, share in states.items()
        if sum((one + level) ** 2 for one in totals) >= observed
    )
    return min(1.0, total)

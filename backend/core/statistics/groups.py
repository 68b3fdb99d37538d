"""Do two groups differ? Student, Welch and Mann-Whitney side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from backend.core.arrays import Floats, refuse_not_finite
from backend.core.estimate import STUDENT, Estimate


@dataclass(frozen=True)
class GroupComparison:
    """Two groups, compared three ways.

    Attributes:
        first_mean: mean of the first group.
        second_mean: mean of the second group.
        student: difference of means, equal variances assumed (what the study reports).
        welch: difference of means, variances free.
        mann_whitney: probability that a case of the first group exceeds one of the second (ties
            half) with its p; no interval is given.
    """

    first_mean: float
    second_mean: float
    student: Estimate
    welch: Estimate
    mann_whitney: Estimate


def compare_groups(first: Floats, second: Floats) -> GroupComparison:
    """Compare two groups of independent cases.

    Student's and Welch's tests are scipy's ``ttest_ind``; Mann-Whitney is exact without ties in
    small samples and otherwise the normal approximation with continuity correction, scipy's
    choice. The t tests are undefined if a group has fewer than 2 cases or nothing varies.

    Args:
        first: [n1].
        second: [n2].

    Raises:
        ValueError: a group is empty.
    """
    refuse_not_finite(first=first, second=second)
    if not len(first) or not len(second):
        raise ValueError("both groups need at least one case")
    rank = stats.mannwhitneyu(first, second, alternative="two-sided")
    n = len(first) + len(second)
    return GroupComparison(
        first_mean=float(first.mean()),
        second_mean=float(second.mean()),
        student=_t_test(first, second, equal=True),
        welch=_t_test(first, second, equal=False),
        mann_whitney=Estimate(
            float(rank.statistic) / (len(first) * len(second)), None, None, float(rank.pvalue), n
        ),
    )


def _t_test(first: Floats, second: Floats, *, equal: bool) -> Estimate:
    n = len(first) + len(second)
    if min(len(first), len(second)) < 2:
        return Estimate.undefined(n, "each group needs at least 2 cases")
    values = np.concatenate([first, second])
    if max(np.ptp(first), np.ptp(second)) <= 1e-12 * np.abs(values).max():
        return Estimate.undefined(n, "neither group varies")
    found = stats.ttest_ind(first, second, equal_var=equal)
    interval = found.confidence_interval(0.95)
    return Estimate(
        value=float(first.mean() - second.mean()),
        low=float(interval.low),
        high=float(interval.high),
        p=float(found.pvalue),
        n=n,
        interval_method=STUDENT if equal else "Welch t",
    )

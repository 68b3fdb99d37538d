"""Ratios of paired means."""

import math

import numpy as np
import pytest
from scipy import stats

from backend.core.statistics.paired import ratio_of_means


def test_ratio_and_interval_are_the_jackknife_by_hand():
    rng = np.random.default_rng(4)
    first, second = rng.uniform(1, 3, 7), rng.uniform(10, 30, 7)
    found = ratio_of_means(first, second)
    logs = [
        math.log(np.delete(first, i).mean() / np.delete(second, i).mean())
        for i in range(len(first))
    ]
    error = math.sqrt(6 / 7 * sum((one - np.mean(logs)) ** 2 for one in logs))
    half = stats.t.ppf(0.975, 6) * error
    centre = math.log(first.mean() / second.mean())
    assert math.log(found.value) == pytest.approx(centre, abs=1e-12)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(
        (centre - half, centre + half), abs=1e-12
    )


def test_ratio_knows_no_unit_and_no_order():
    rng = np.random.default_rng(5)
    first, second = rng.uniform(1, 3, 8), rng.uniform(1, 3, 8)
    found, order = ratio_of_means(first, second), rng.permutation(8)
    other = ratio_of_means(70 * first[order], second[order])
    assert (other.value, other.low, other.high) == pytest.approx(
        (70 * found.value, 70 * found.low, 70 * found.high)
    )
    turned = ratio_of_means(second, first)
    assert (turned.value, turned.low, turned.high) == pytest.approx(
        (1 / found.value, 1 / found.high, 1 / found.low)
    )


def test_interval_holds_a_planted_ratio():
    """Traits differ by a factor that both models share, and each by its own noise."""
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(1000):
        shared = rng.lognormal(0, 0.3, 8)
        first, second = (m * shared * rng.lognormal(0, 0.2, 8) for m in (1.8, 1.0))
        found = ratio_of_means(first, second)
        held += found.low <= 1.8 <= found.high
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize(
    ("first", "second", "value", "reason"),
    [
        ([], [], None, "no case in common"),
        ([1.0, 2.0], [0.0, 0.0], None, "two positive means"),
        ([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], 2.0, "at least 4 pairs"),
        ([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0], 2.0, "all ratios are the same"),
        ([5.0, -1.0, -1.0, -1.0], [1.0, 1.0, 1.0, 1.0], 0.5, "one pair alone"),
    ],
)
def test_what_has_no_ratio_or_interval_says_why(first, second, value, reason):
    found = ratio_of_means(np.array(first), np.array(second))
    assert found.value == value and found.low is None and reason in found.reason

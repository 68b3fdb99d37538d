"""Ratios of paired values."""

import math

import numpy as np
import pytest
from scipy import stats

from backend.core.statistics.paired import geometric_ratio


def test_ratio_and_interval_are_the_t_test_of_the_logarithms():
    rng = np.random.default_rng(4)
    first, second = rng.uniform(1, 3, 7), rng.uniform(10, 30, 7)
    found = geometric_ratio(first, second)
    expected = stats.ttest_rel(np.log(first), np.log(second))
    assert found.value == pytest.approx(stats.gmean(first) / stats.gmean(second), rel=1e-12)
    ends = expected.confidence_interval(0.95)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((ends.low, ends.high))
    assert found.p == pytest.approx(expected.pvalue)


def test_ratio_knows_no_unit_and_no_order():
    rng = np.random.default_rng(5)
    first, second = rng.uniform(1, 3, 8), rng.uniform(1, 3, 8)
    found, order = geometric_ratio(first, second), rng.permutation(8)
    other = geometric_ratio(70 * first[order], second[order])
    assert (other.value, other.low, other.high) == pytest.approx(
        (70 * found.value, 70 * found.low, 70 * found.high)
    )
    turned = geometric_ratio(second, first)
    assert (turned.value, turned.low, turned.high) == pytest.approx(
        (1 / found.value, 1 / found.high, 1 / found.low)
    )


def test_one_far_pair_does_not_carry_the_ratio():
    """As where one trait's best layer is one of far larger activations."""
    first, second = np.array([187.0, *[0.65] * 7]), np.ones(8)
    first[1:] *= np.linspace(0.9, 1.1, 7)
    found = geometric_ratio(first, second)
    assert first.mean() > 20 and found.value < 2 and found.low < 1 < found.high


def test_interval_holds_a_planted_ratio():
    """Traits differ by a factor that both models share, and each by its own noise."""
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(1000):
        shared = rng.lognormal(0, 0.3, 8)
        first, second = (m * shared * rng.lognormal(0, 0.2, 8) for m in (1.8, 1.0))
        found = geometric_ratio(first, second)
        held += found.low <= 1.8 <= found.high
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize(
    ("first", "second", "value", "reason"),
    [
        ([], [], None, "no case in common"),
        ([1.0, 2.0], [0.0, 1.0], None, "positive values"),
        ([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], 2.0, "at least 4 pairs"),
        ([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0], 2.0, "all ratios are the same"),
    ],
)
def test_what_has_no_ratio_or_interval_says_why(first, second, value, reason):
    found = geometric_ratio(np.array(first), np.array(second))
    assert found.value == (None if value is None else pytest.approx(value))
    assert found.low is None and reason in found.reason

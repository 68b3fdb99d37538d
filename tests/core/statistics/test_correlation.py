"""Pearson's r, its interval and p against scipy and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.cases import Cases
from backend.core.statistics.correlation import (
    correlation_p,
    fisher_interval,
    midranks,
    pearson,
)


@pytest.mark.parametrize("n", [4, 5, 30, 500])
def test_pearson_equals_scipy(n):
    rng = np.random.default_rng(n)
    x = rng.normal(size=n)
    y = 0.4 * x + rng.normal(size=n)
    expected = stats.pearsonr(x, y)
    interval = expected.confidence_interval(0.95)
    found = pearson(Cases.independent(x, y))
    assert found.value == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_published_partial_correlations_need_n_minus_three():
    """The study printed p = 0.007 and 0.265, which are the p of n - 2 degrees of freedom."""
    assert correlation_p(0.538, 24) == pytest.approx(0.007, abs=0.0005)
    assert correlation_p(0.237, 24) == pytest.approx(0.265, abs=0.0005)
    assert correlation_p(0.538, 24, controls=1) == pytest.approx(0.0081, abs=0.0005)
    assert correlation_p(0.237, 24, controls=1) == pytest.approx(0.276, abs=0.001)


def test_too_few_or_constant_samples_say_so():
    assert "at least 3" in pearson(Cases.independent(np.arange(2.0), np.arange(2.0))).reason
    three = pearson(Cases.independent(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])))
    assert three.value is not None and three.low is None and "at least 4" in three.reason
    assert "projections" in pearson(Cases.independent(np.ones(9), np.arange(9.0))).reason
    assert "scores" in pearson(Cases.independent(np.arange(9.0), np.full(9, 0.1))).reason
    with pytest.raises(ValueError, match="one length"):
        pearson(Cases.independent(np.ones(3), np.ones(4)))
    with pytest.raises(ValueError, match="n >= 4"):
        fisher_interval(0.5, 3)
    with pytest.raises(ValueError, match="degrees of freedom"):
        correlation_p(0.5, 2)


def test_perfect_correlation():
    found = pearson(Cases.independent(np.arange(9.0), 2 * np.arange(9.0) - 1))
    assert (found.value, found.low, found.high, found.p) == pytest.approx((1, 1, 1, 0), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_interval_covers_and_p_keeps_its_level(rho):
    rng = np.random.default_rng(20)
    covered = rejected = 0
    for _ in range(2000):
        x = rng.normal(size=60)
        y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=60)
        found = pearson(Cases.independent(x, y))
        covered += found.low <= rho <= found.high
        rejected += found.p < 0.05
    assert 0.93 <= covered / 2000 <= 0.97
    if rho == 0.0:
        assert 0.035 <= rejected / 2000 <= 0.065


@pytest.mark.parametrize("levels", [2, 7, 10_000])
def test_midranks_are_scipys(levels):
    values = np.random.default_rng(levels).integers(0, levels, size=200).astype(np.float64)
    np.testing.assert_array_equal(midranks(values), stats.rankdata(values))

"""Spread, shares, lines and rounding against statsmodels and formulas written out anew."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from backend.core.cases import Cases
from backend.core.statistics.describe import share, standard_deviation
from backend.core.statistics.line import regression_line
from backend.core.statistics.reliability import rounding_of


def test_the_interval_of_a_standard_deviation_is_bonetts():
    values = np.random.default_rng(0).exponential(size=40)
    n, z = 40, 1.959963984540054
    m = stats.trim_mean(values, 1 / (2 * np.sqrt(n - 4)))
    kurtosis = n * np.sum((values - m) ** 4) / np.sum((values - values.mean()) ** 2) ** 2
    c = n / (n - z)
    se = c * np.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    found = standard_deviation(values)
    assert found.value == pytest.approx(np.std(values, ddof=1))
    expected = np.sqrt(np.exp(np.log(c * values.var(ddof=1)) + np.array([-z, z]) * se))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("draw", ["normal", "uniform", "steps"])
def test_the_interval_of_a_standard_deviation_covers(draw):
    rng = np.random.default_rng(1)
    make = {
        "normal": lambda: rng.normal(size=60),
        "uniform": lambda: rng.uniform(size=60),
        "steps": lambda: np.round(np.clip(rng.normal(2, 2, size=60), 0, 10)),
    }[draw]
    wide = np.concatenate([make() for _ in range(4000)]).std()
    inside = [(e := standard_deviation(make())).low <= wide <= e.high for _ in range(600)]
    assert 0.92 < np.mean(inside) < 0.985


def test_standard_deviations_say_why_they_have_no_interval():
    assert standard_deviation(np.array([1.0])).value is None
    assert "10 values" in standard_deviation(np.arange(9.0)).reason
    flat = standard_deviation(np.full(20, 3.0))
    assert (flat.value, flat.low) == (0.0, None) and "do not vary" in flat.reason


@pytest.mark.parametrize(("count", "n"), [(0, 30), (7, 30), (30, 30), (1, 2)])
def test_shares_have_wilsons_interval(count, n):
    found = share(count, n)
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(count, n, method="wilson"), abs=1e-12
    )
    assert share(0, 0).value is None


def test_a_line_and_its_band_are_statsmodels():
    rng = np.random.default_rng(2)
    x = rng.normal(3, 2, size=25)
    y = 0.4 * x + rng.normal(size=25)
    found = regression_line(Cases.independent(x, y))
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    frame = fit.get_prediction(sm.add_constant(found.x)).summary_frame()
    np.testing.assert_allclose(found.y, frame["mean"])
    np.testing.assert_allclose(found.low, frame["mean_ci_lower"])
    np.testing.assert_allclose(found.high, frame["mean_ci_upper"])
    assert (found.slope.low, found.slope.high) == pytest.approx(tuple(fit.conf_int()[1]))
    assert found.slope.p == pytest.approx(fit.pvalues[1])
    assert regression_line(Cases.independent(np.ones(5), np.arange(5.0))) is None
    assert regression_line(Cases.independent(np.arange(2.0), np.arange(2.0))) is None


def test_rounding_is_the_variance_of_a_uniform_step():
    truth = np.random.default_rng(3).normal(0, 2, size=200_000)
    found = rounding_of(np.round(truth))
    assert found.step == 1.0
    assert found.share == pytest.approx(np.var(np.round(truth) - truth) / 4, rel=0.05)
    assert rounding_of(np.ones(4)).share == 1.0 and rounding_of(np.zeros(0)).step is None

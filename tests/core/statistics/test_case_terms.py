"""A case's terms sum to r, and its residual is that of the least squares line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.cases import Cases
from backend.core.statistics.case_terms import case_terms
from backend.core.statistics.correlation import pearson


def test_terms_sum_to_r_and_residuals_are_those_of_the_line():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30) + 5
    y = 0.4 * x + rng.normal(size=30)
    found = case_terms(Cases.independent(x, y))
    line = stats.linregress(x, y)
    assert (found.x * found.y / found.scale).sum() == pytest.approx(line.rvalue, abs=1e-12)
    assert found.slope == pytest.approx(line.slope)
    assert found.residuals == pytest.approx(y - line.intercept - line.slope * x, abs=1e-12)


def test_terms_are_within_responders():
    rng = np.random.default_rng(1)
    who = np.arange(40) % 2
    x, y = rng.normal(size=40) + 9 * who, rng.normal(size=40) - 7 * who
    cases = Cases.of_study(x, y, [f"s{i}" for i in range(40)], [str(w) for w in who])
    found = case_terms(cases)
    assert (found.x * found.y / found.scale).sum() == pytest.approx(pearson(cases).value, abs=1e-12)
    for one in (0, 1):
        own = who == one
        assert found.x[own] == pytest.approx(x[own] - x[own].mean())
        assert found.y[own] == pytest.approx(y[own] - y[own].mean())
    both = np.column_stack([x, who, 1 - who])
    left = y - both @ np.linalg.lstsq(both, y, rcond=None)[0]
    assert found.residuals == pytest.approx(left, abs=1e-10)


def test_where_a_side_does_not_vary():
    x = np.arange(5.0)
    assert case_terms(Cases.independent(np.full(5, 0.1), x)) is None
    assert case_terms(Cases.independent(x[:2], x[:2])) is None
    flat = case_terms(Cases.independent(x, np.full(5, 0.1)))
    assert flat.scale is None and flat.residuals == pytest.approx(np.zeros(5), abs=1e-15)

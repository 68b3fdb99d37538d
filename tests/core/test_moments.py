"""r from S, b and y'y equals r from projections of activations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.cases import Cases
from backend.core.moments import correlation_of_weights, moments


def study(seed, cases=60, prompts=12, width=50, shift=0.0):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=(prompts, width)) + shift
    r = rng.normal(size=(2 * cases, width)) + shift
    y = rng.integers(-5, 6, size=cases) / 2.0
    return rng, p, r, y


@pytest.mark.parametrize("shift", [0.0, 100.0])
@pytest.mark.parametrize("drift", [True, False])
def test_r_of_any_weights_equals_scipys_on_projections(drift, shift):
    rng, p, r, y = study(1, shift=shift)
    cases = len(y)
    first = np.arange(cases) if drift else None
    last = np.arange(cases, 2 * cases)
    m = moments(r @ p.T, first, last, Cases.independent(y, y))
    for _ in range(5):
        w = rng.normal(size=len(p))
        v = p.T @ w
        projection = r @ v / np.linalg.norm(v)
        x = projection[last] - projection[first] if drift else projection[last]
        expected = stats.pearsonr(x, y)
        found = correlation_of_weights(w, m)
        interval = expected.confidence_interval(0.95)
        assert found.value == pytest.approx(expected.statistic, abs=1e-9)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert found.n == cases


def test_length_and_sign_of_the_weights():
    rng, p, r, y = study(2)
    m = moments(r @ p.T, np.arange(60), np.arange(60, 120), Cases.independent(y, y))
    w = rng.normal(size=len(p))
    assert correlation_of_weights(1e3 * w, m).value == pytest.approx(
        correlation_of_weights(w, m).value
    )
    assert correlation_of_weights(-w, m).value == pytest.approx(-correlation_of_weights(w, m).value)


def test_constant_scores_and_constant_projections_have_no_r():
    _, p, r, y = study(3)
    first, last = np.arange(60), np.arange(60, 120)
    flat = correlation_of_weights(
        np.ones(len(p)), moments(r @ p.T, first, last, Cases.independent(y, np.full(60, 2.5)))
    )
    assert flat.value is None
    assert "scores do not vary" in flat.reason
    same = np.concatenate([r[:60], r[:60] + 3.0])
    still = correlation_of_weights(
        np.ones(len(p)), moments(same @ p.T, first, last, Cases.independent(y, y))
    )
    assert still.value is None
    assert "projections do not vary" in still.reason


def test_no_cases_have_no_r():
    _, p, r, _ = study(4)
    none = np.array([], dtype=int)
    found = correlation_of_weights(
        np.ones(len(p)), moments(r @ p.T, none, none, Cases.independent(np.zeros(0), np.zeros(0)))
    )
    assert found.n == 0
    assert "at least 3" in found.reason

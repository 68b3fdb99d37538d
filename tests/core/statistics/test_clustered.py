"""Dependent cases and several responders: intervals and p that hold, by draws and by direct
computation."""

from __future__ import annotations

import numpy as np
import pingouin
import pytest
from scipy import stats

from backend.core.cases import Cases
from backend.core.moments import correlation_of_weights, moments
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.clustered import correlations_of, effective_of, left_out_products
from backend.core.statistics.correlation import pearson, spearman
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.line import regression_line
from backend.core.statistics.partial import partial_correlation
from backend.core.statistics.permutation import best_layer


def draw(rng, groups, each, icc, r=0.0, responders=1, shift=0.0):
    """x and y with the correlation r and the intraclass correlation icc both, each group holding
    ``each`` cases; with responders they take turns in a group, and differ in both by ``shift``."""
    n = groups * each
    group = np.repeat(np.arange(groups), each)
    mix = np.array([[1.0, 0.0], [r, np.sqrt(1 - r * r)]])
    common, own = rng.normal(size=(groups, 2)), rng.normal(size=(n, 2))
    both = np.sqrt(icc) * (common @ mix.T)[group] + np.sqrt(1 - icc) * (own @ mix.T)
    who = np.arange(n) % responders
    x, y = (both + shift * who[:, None]).T
    names = [f"s{i:04d}" for i in group]
    return Cases.of_study(x, y, names, [f"m{i}" for i in who] if responders > 1 else ())


def without(cases, group):
    return cases.subset(cases.groups != group)


@pytest.mark.parametrize("responders", [1, 3])
def test_leaving_out_equals_leaving_out_one_by_one(responders):
    cases = draw(np.random.default_rng(0), 12, 6, 0.4, 0.5, responders, shift=2.0)
    third = np.random.default_rng(1).normal(size=len(cases))
    found = left_out_products(np.column_stack([cases.x, cases.y, third]), cases)
    for group in range(12):
        part = without(cases, group)
        own = third[cases.groups != group]
        rows = np.column_stack([part.centred(v) - v.mean() for v in (part.x, part.y, own)])
        assert found.products[group] == pytest.approx(rows.T @ rows)
    rs = [pearson(without(cases, group)).value for group in range(12)]
    assert correlations_of(found.products, 0, 1) == pytest.approx(rs)
    z = np.arctanh(rs)
    error = np.sqrt(11 / 12 * np.square(z - z.mean()).sum())
    half = stats.t.ppf(0.975, 11) * error
    whole = pearson(cases)
    assert np.arctanh([whole.low, whole.high]) == pytest.approx(
        np.arctanh(whole.value) + half * np.array([-1, 1])
    )
    assert whole.p == pytest.approx(2 * stats.t.sf(abs(np.arctanh(whole.value)) / error, 11))
    assert whole.effective == pytest.approx(min(len(cases) - responders + 1, 3 + 1 / error**2))
    assert (whole.groups, whole.n) == (12, 72)


def test_ranks_are_taken_anew_without_each_group():
    cases = draw(np.random.default_rng(2), 10, 4, 0.3, 0.4)
    rounded = cases.with_x(np.round(cases.x, 1)).with_y(np.round(cases.y, 1))
    z = np.arctanh(
        [stats.spearmanr(p.x, p.y).statistic for p in (without(rounded, g) for g in range(10))]
    )
    half = stats.t.ppf(0.975, 9) * np.sqrt(9 / 10 * np.square(z - z.mean()).sum())
    found = spearman(rounded)
    assert found.value == pytest.approx(stats.spearmanr(rounded.x, rounded.y).statistic)
    assert np.arctanh(found.high) - np.arctanh(found.value) == pytest.approx(half)


def test_within_responders_is_the_partial_correlation_given_who():
    cases = draw(np.random.default_rng(3), 90, 1, 0.0, 0.5).pooled()
    who = np.repeat(["a", "b", "c"], 30)
    shifted = np.repeat([0.0, 4.0, -3.0], 30)
    x, y = cases.x + shifted, cases.y + shifted
    found = pearson(Cases.of_study(x, y, cases.scenarios, who.tolist()))
    dummies = np.column_stack([who == "b", who == "c"]).astype(float)
    plain = partial_correlation(Cases.independent(x, y), dummies)
    for name in ("value", "low", "high", "p"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name))
    assert found.effective == 88
    import pandas

    table = pandas.DataFrame({"x": x, "y": y, "b": dummies[:, 0], "c": dummies[:, 1]})
    assert found.value == pytest.approx(
        pingouin.partial_corr(table, "x", "y", ["b", "c"])["r"].iloc[0], abs=1e-5
    )


def test_responders_that_differ_and_nothing_within_them():
    rng = np.random.default_rng(4)
    cases = draw(rng, 40, 3, 0.0, 0.0, responders=3, shift=4.0)
    assert pearson(cases.pooled()).value > 0.8
    found = pearson(cases)
    assert found.low < 0 < found.high and abs(found.value) < 0.25
    assert spearman(cases).low < 0 < spearman(cases).high
    rest = moments(
        np.column_stack([cases.x, rng.normal(size=120)]),
        None,
        np.arange(120),
        cases,
        np.array([1.0, 0.0]),
    )
    lab = correlation_of_weights(np.array([1.0, 0.0]), rest)
    for name in ("value", "low", "high", "p", "effective", "groups"):
        assert getattr(lab, name) == pytest.approx(getattr(found, name))


def test_one_case_a_group_is_as_before():
    rng = np.random.default_rng(5)
    x, y, z = rng.normal(size=(3, 40)) + rng.normal(size=40)
    names = [f"s{i}" for i in range(40)]
    alone, study = Cases.independent(x, y), Cases.of_study(x, y, names, ["m"] * 40)
    assert pearson(study) == pearson(alone)
    assert spearman(study) == spearman(alone)
    assert compare_predictors(study, z) == compare_predictors(alone, z)
    assert effective_of(study) == 40


def test_order_scale_and_names_do_not_matter():
    cases = draw(np.random.default_rng(6), 20, 4, 0.5, 0.3, responders=2, shift=1.0)
    order = np.random.default_rng(7).permutation(len(cases))
    found, shuffled = pearson(cases), pearson(cases.subset(order).with_x(5 * cases.x[order] - 3))
    for name in ("value", "low", "high", "p", "effective"):
        assert getattr(shuffled, name) == pytest.approx(getattr(found, name))


def test_too_few_groups_give_no_interval():
    found = pearson(draw(np.random.default_rng(8), 3, 10, 0.5))
    assert found.value is not None and found.low is None and found.p is None
    assert "4 groups" in found.reason and found.groups == 3


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        Cases.independent(np.array([1.0, np.nan, 2.0]), np.zeros(3))


def test_the_band_of_a_line_is_its_jackknife():
    cases = draw(np.random.default_rng(9), 15, 4, 0.6, 0.5)
    found = regression_line(cases)
    lines = []
    for group in range(15):
        fit = stats.linregress((part := without(cases, group)).x, part.y)
        lines.append(fit.intercept + fit.slope * found.x)
    lines = np.array(lines)
    half = stats.t.ppf(0.975, 14) * np.sqrt(
        14 / 15 * np.square(lines - lines.mean(axis=0)).sum(axis=0)
    )
    assert found.high - found.y == pytest.approx(half)


DESIGNS = [(icc, each) for icc in (0.0, 0.3, 0.6) for each in (2, 4, 10)]


@pytest.mark.slow
@pytest.mark.parametrize(("icc", "each"), DESIGNS)
@pytest.mark.parametrize("r", [0.0, 0.5])
def test_coverage_over_clustered_draws(icc, each, r):
    rng = np.random.default_rng([10, int(10 * icc), each, int(10 * r)])
    draws = 1500
    inside = rejected = 0
    for _ in range(draws):
        found = pearson(draw(rng, 60, each, icc, r))
        inside += found.low <= r <= found.high
        rejected += found.p < 0.05
    assert 0.93 <= inside / draws <= 0.97
    if r == 0:
        assert 0.03 <= rejected / draws <= 0.07


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("icc", "each"), [(0.6, 4), (0.3, 10)])
def test_coverage_with_few_groups_and_of_ranks(icc, each):
    rng = np.random.default_rng([11, each])
    draws = 1000
    few = ranks = partial = 0
    for _ in range(draws):
        found = pearson(draw(rng, 10, each, icc, 0.4))
        few += found.low <= 0.4 <= found.high
        cases = draw(rng, 60, each, icc, 0.0)
        found = spearman(cases)
        ranks += found.low <= 0 <= found.high
        control = cases.x + cases.y + rng.normal(size=len(cases))
        # Of two that are independent, given their sum with as much noise: (0 - 1/3) / (1 - 1/3).
        found = partial_correlation(cases, control[:, None])
        partial += found.low <= -0.5 <= found.high
    for count in (few, ranks, partial):
        assert 0.93 <= count / draws <= 0.97


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("icc", "each", "uneven"),
    [(0.0, 4, False), (0.3, 2, False), (0.6, 10, False), (0.6, 4, True)],
)
def test_the_choice_of_a_layer_is_at_its_level(icc, each, uneven):
    rng = np.random.default_rng([12, int(10 * icc), each])
    draws, layers = 800, 4
    chosen = held = compared = 0
    for _ in range(draws):
        cases = draw(rng, 60, each, icc)
        others = [draw(rng, 60, each, icc).x for _ in range(layers - 1)]
        matrix = np.stack([cases.x, *others])
        if uneven:
            kept = np.flatnonzero(rng.random(len(cases)) < 0.7)
            cases, matrix = cases.subset(kept), matrix[:, kept]
        chosen += best_layer(matrix, cases, permutations=199).p <= 0.05
        held += held_out_choice(matrix, cases, splits=20).p <= 0.05
        compared += compare_predictors(cases.with_x(matrix[0]), matrix[1]).difference.p <= 0.05
    assert 0.03 <= chosen / draws <= 0.07
    assert held / draws <= 0.07
    assert 0.03 <= compared / draws <= 0.07


@pytest.mark.slow
def test_coverage_of_the_bootstrap_over_groups():
    rng = np.random.default_rng(13)
    draws = 500
    inside = 0
    for _ in range(draws):
        found = bootstrap_r(draw(rng, 60, 4, 0.6, 0.5), resamples=999)
        inside += found.low <= 0.5 <= found.high
    assert 0.92 <= inside / draws <= 0.97

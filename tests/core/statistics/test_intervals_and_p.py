"""Each statistic against scipy, statsmodels, pingouin or a published worked example."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pingouin

import pandas as pd

from backend.core.cases import Cases
from backend.core.statistics.bootstrap import (
    _pearson_of_sums,
    _weighted_spearman,
    bootstrap_r,
    bootstrap_rs,
)
from backend.core.statistics.correlation import spearman
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.groups import compare_groups
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.partial import partial_correlation
from backend.core.statistics.permutation import best_layer
from backend.core.statistics.reliability import (
    agreement_ceiling,
    count_poles,
    score_use,
)

pytestmark = pytest.mark.slow


def pair(rng, n=40, r=0.4):
    x = rng.normal(size=n)
    return x, r * x + math.sqrt(1 - r * r) * rng.normal(size=n)


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_scipys_and_pingouins(ties):
    x, y = pair(np.random.default_rng(1))
    if ties:
        x, y = x.round(), y.round()
    found = spearman(Cases.independent(x, y))
    oracle = stats.spearmanr(x, y)
    assert found.value == pytest.approx(oracle.statistic, rel=1e-12)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)
    half = stats.norm.ppf(0.975) * math.sqrt((1 + found.value**2 / 2) / (len(x) - 3))
    assert math.atanh(found.high) - math.atanh(found.value) == pytest.approx(half, rel=1e-9)


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_bootstrap_is_scipys_bca(kind):
    x, y = pair(np.random.default_rng(2), 60)
    statistic = (
        (lambda a, b: stats.pearsonr(a, b).statistic)
        if kind == "pearson"
        else (lambda a, b: stats.spearmanr(a, b).statistic)
    )
    oracle = stats.bootstrap(
        (x, y),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=3000,
        method="BCa",
        rng=np.random.default_rng(3),
    )
    found = bootstrap_r(Cases.independent(x, y), kind=kind, resamples=20000)
    # Both ends carry the noise of their resampling, about 0.01 at 3,000 resamples.
    assert found.low == pytest.approx(oracle.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(oracle.confidence_interval.high, abs=0.03)


def test_weighted_r_is_r_of_the_repeated_cases():
    rng = np.random.default_rng(4)
    x, y = pair(rng, 20)
    x = x.round(1)
    counts = rng.multinomial(20, np.full(20, 1 / 20), size=25)
    columns = np.column_stack([np.ones(20), y, y * y, x, x * x, x * y])
    fast_r = _pearson_of_sums(counts @ columns)[:, 0]
    fast_rho = _weighted_spearman(x, y, counts.astype(float))
    for row, r, rho in zip(counts, fast_r, fast_rho, strict=True):
        a, b = np.repeat(x, row), np.repeat(y, row)
        assert r == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-9)
        assert rho == pytest.approx(stats.spearmanr(a, b).statistic, rel=1e-9)


def test_bootstrap_draws_scenarios_not_cases():
    x, y = pair(np.random.default_rng(5), 30)
    once = bootstrap_r(Cases.independent(x, y))
    x4, y4 = np.repeat(x, 4), np.repeat(y, 4)
    names = [f"s{i:02d}" for i in np.repeat(np.arange(30), 4)]
    twice = bootstrap_r(Cases.of_study(x4, y4, names, ["a"] * 120))
    assert (twice.n, twice.groups) == (120, 30)
    assert twice.low == pytest.approx(once.low, abs=1e-9)
    naive = bootstrap_r(Cases.independent(np.repeat(x, 4), np.repeat(y, 4)))
    assert naive.high - naive.low < 0.7 * (twice.high - twice.low)


def test_predictors_resampled_together_are_those_resampled_alone():
    rng = np.random.default_rng(7)
    y, names = rng.normal(size=60), [f"s{i:02d}" for i in np.repeat(np.arange(20), 3)]
    who = ["a", "b", "c"] * 20
    together = [Cases.of_study(y + k * rng.normal(size=60), y, names, who) for k in range(1, 5)]
    together.append(Cases.of_study(np.ones(60), y, names, who))
    for found, cases in zip(bootstrap_rs(together), together, strict=True):
        alone = bootstrap_r(cases)
        assert found.reason == alone.reason
        if alone.value is not None:
            ends = (alone.value, alone.low, alone.high)
            assert (found.value, found.low, found.high) == pytest.approx(ends, abs=1e-12)
    with pytest.raises(ValueError, match="share y and groups"):
        bootstrap_rs([together[0], Cases.independent(y, y)])


def test_bootstrap_says_why_not():
    x, y = pair(np.random.default_rng(6), 9)
    assert "at least 10 scenarios" in bootstrap_r(Cases.independent(x, y)).reason
    assert "do not vary" in bootstrap_r(Cases.independent(np.ones(20), np.arange(20.0))).reason


def test_best_layer_by_direct_permutation():
    rng = np.random.default_rng(9)
    y = rng.normal(size=30)
    layers = rng.normal(size=(6, 30)) + 0.3 * y
    found = best_layer(layers, Cases.independent(y, y), permutations=999, seed=1)
    rs = [np.corrcoef(row, y)[0, 1] for row in layers]
    assert found.index == int(np.argmax(rs)) and found.r == pytest.approx(max(rs), rel=1e-12)
    shuffles = np.random.default_rng(1).permuted(np.tile(y, (999, 1)), axis=1)
    null = [max(np.corrcoef(row, s)[0, 1] for row in layers) for s in shuffles]
    assert found.p == (1 + sum(value >= found.r for value in null)) / 1000
    assert found.null_95 == pytest.approx(np.quantile(null, 0.95), rel=1e-9)


def test_a_layer_that_does_not_vary_is_left_out_of_the_best():
    rng = np.random.default_rng(10)
    y = rng.normal(size=30)
    found = best_layer(np.stack([np.ones(30), -y + rng.normal(size=30)]), Cases.independent(y, y))
    assert found.index == 1
    assert (
        best_layer(np.ones((2, 30)), Cases.independent(y, y)).reason
        == "the projections do not vary at any layer"
    )


@pytest.mark.parametrize("k", [1, 2])
def test_partial_correlation_is_pingouins(k):
    rng = np.random.default_rng(11)
    controls = rng.normal(size=(24, k))
    x = controls.sum(1) + rng.normal(size=24)
    y = 0.5 * x - controls[:, 0] + rng.normal(size=24)
    frame = pd.DataFrame(np.column_stack([x, y, controls])).set_axis(
        ["x", "y", *(f"c{i}" for i in range(k))], axis=1
    )
    oracle = pingouin.partial_corr(frame, "x", "y", [f"c{i}" for i in range(k)]).iloc[0]
    found = partial_correlation(Cases.independent(x, y), controls)
    assert found.value == pytest.approx(oracle["r"], rel=1e-9)
    assert found.p == pytest.approx(oracle.filter(regex="p.val").iloc[0], rel=1e-6)


def test_williams_and_zou_published_examples():
    # Zou 2007, example 2 (overlapping): r = 0.396 and 0.179 with r = 0.088 between, n = 66,
    # interval of the difference (-0.093, 0.517).
    found = compare_dependent(0.396, 0.179, 0.088, 66)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.093, 0.517)
    # Williams's t as a direct computation of Steiger's formula by matrices.
    n, r12, r13, r23 = 103, 0.5, 0.3, 0.4
    matrix = np.array([[1, r12, r13], [r12, 1, r23], [r13, r23, 1]])
    t = (r12 - r13) * math.sqrt(
        (n - 1)
        * (1 + r23)
        / (2 * (n - 1) / (n - 3) * np.linalg.det(matrix) + ((r12 + r13) / 2) ** 2 * (1 - r23) ** 3)
    )
    assert compare_dependent(r12, r13, r23, n).p == pytest.approx(2 * stats.t.sf(t, n - 3))


def test_dependent_comparison_is_antisymmetric_and_says_why_not():
    there, back = compare_dependent(0.4, 0.1, 0.6, 60), compare_dependent(0.1, 0.4, 0.6, 60)
    assert there.value == -back.value and there.p == back.p
    assert there.low == pytest.approx(-back.high)
    assert "perfect" in compare_dependent(0.4, 0.4, 1.0, 60).reason
    assert "at least 5" in compare_dependent(0.4, 0.1, 0.6, 4).reason


def test_groups_are_statsmodels_and_pingouins():
    rng = np.random.default_rng(12)
    first, second = rng.normal(1, 1, 13), rng.normal(0, 3, 11)
    found = compare_groups(first, second)
    means = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    for name, usevar in (("student", "pooled"), ("welch", "unequal")):
        estimate = getattr(found, name)
        _, p, _ = means.ttest_ind(usevar=usevar)
        low, high = means.tconfint_diff(usevar=usevar)
        assert estimate.p == pytest.approx(p, rel=1e-9)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), rel=1e-9)
    oracle = pingouin.mwu(first, second).iloc[0]
    assert found.mann_whitney.p == pytest.approx(oracle.filter(regex="p.val").iloc[0], rel=1e-6)
    assert found.mann_whitney.value == pytest.approx(
        np.mean([(a > b) + 0.5 * (a == b) for a in first for b in second])
    )
    assert "at least 2" in compare_groups(first[:1], second).student.reason


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=30))
def test_benjamini_hochberg_is_statsmodels(ps):
    found = benjamini_hochberg(ps)
    defined = [p for p in ps if p is not None]
    if defined:
        oracle = multipletests(defined, method="fdr_bh")[1]
        assert [f for f in found if f is not None] == pytest.approx(list(oracle))
    assert [f is None for f in found] == [p is None for p in ps]


def test_reliability():
    assert agreement_ceiling(0.274) == 0.274 and agreement_ceiling(-0.1) is None


def test_score_use_and_counts():
    scores = np.array([0, 0, 0, 2, 5, 6, 10.0])
    use = score_use(scores, 0, 10)
    assert (use.floor, use.ceiling, use.distinct) == (3 / 7, 1 / 7, 5)
    assert score_use(np.array([]), 0, 10) is None
    counts = count_poles(scores, 6, 2)
    assert (counts.high, counts.low, counts.between) == (2, 4, 1)
    assert counts.feasible(2) and not counts.feasible(3)
    with pytest.raises(ValueError, match="overlaps"):
        count_poles(scores, 3, 3)


def test_held_out_best_layer_finds_the_planted_layer_and_no_other():
    rng = np.random.default_rng(14)
    y = rng.normal(size=400)
    layers = rng.normal(size=(12, 400))
    layers[7] += 0.75 * y  # true r = 0.6
    found = held_out_choice(layers, Cases.independent(y, y))
    assert found.low < 0.6 < found.high
    noise = held_out_choice(rng.normal(size=(12, 400)), Cases.independent(y, y))
    assert noise.low < 0 < noise.high
    assert "at least 10" in held_out_choice(layers[:, :9], Cases.independent(y[:9], y[:9])).reason
    # Every scenario answered twice alike is no more to learn from, if its cases stay together.
    y2, names = np.repeat(y, 2), [f"s{i:03d}" for i in np.repeat(np.arange(400), 2)]
    twice = held_out_choice(
        np.repeat(layers, 2, axis=1), Cases.of_study(y2, y2, names, ["a"] * 800)
    )
    assert (twice.n, twice.groups) == (800, 400)
    assert twice.effective == pytest.approx(400, rel=0.3)
    assert twice.value == pytest.approx(found.value, rel=1e-9)
    # How much the second answer adds is learned from the cases, so the ends are not the same.
    width, once = (np.arctanh(e.high) - np.arctanh(e.low) for e in (twice, found))
    assert width == pytest.approx(once, rel=0.15)

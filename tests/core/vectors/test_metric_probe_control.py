"""Metrics, probes, controls and subsampling against sklearn and direct computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge

from backend.core.cases import Cases
from backend.core.moments import correlation_of_weights, moments
from backend.core.vectors.controls import random_directions, shuffled_labels
from backend.core.vectors.folds import grouped_folds
from backend.core.vectors.inner_product import layer_inner_products, within_class
from backend.core.vectors.logistic import logistic_fits
from backend.core.vectors.probes import SEED, Labels, RidgeTarget, logistic_probes, ridge_probes
from backend.core.vectors.responses import response_space
from backend.core.vectors.subsampling import subsample
from tests.support.activations import cell


def space_of(responses, chunk=7):
    def chunks():
        return (responses[i : i + chunk] for i in range(0, len(responses), chunk))

    return response_space(chunks, len(responses), responses.shape[1])


@pytest.mark.parametrize("count", [25, 90])
def test_response_components_are_sklearns(count):
    rng = np.random.default_rng(0)
    responses = 5 + rng.normal(size=(count, 40)) * np.linspace(1, 4, 40)
    found = space_of(responses)
    oracle = PCA().fit(responses)
    k = len(found.components)
    assert k == min(count - 1, 40)
    assert found.mean == pytest.approx(responses.mean(axis=0))
    assert found.variance == pytest.approx(responses.var(axis=0))
    assert found.sizes == pytest.approx(oracle.explained_variance_[:k] * (count - 1) / count)
    aligned = np.abs(np.einsum("ij,ij->i", found.components, oracle.components_[:k]))
    assert aligned == pytest.approx(1.0, abs=1e-6)
    coordinates = (responses - found.mean) @ found.components.T
    if found.coordinates is not None:
        assert found.coordinates == pytest.approx(coordinates, abs=1e-8)
    back = coordinates @ found.components + found.mean
    assert back == pytest.approx(responses, abs=1e-8)


def test_layer_metrics_do_what_they_say():
    rng = np.random.default_rng(1)
    responses = rng.normal(size=(50, 30)) * np.linspace(1, 2, 30)
    responses[:, 4] += 80.0
    by_name = {m.name: m for m in layer_inner_products(space_of(responses), np.zeros((0, 30)))}
    rows = rng.normal(size=(3, 30))
    assert "coordinates removed: 4" in by_name["massive_removed"].note
    expected = rows.copy()
    expected[:, 4] = 0
    assert by_name["massive_removed"].apply(rows) == pytest.approx(expected)
    assert by_name["standardised"].apply(rows) == pytest.approx(rows / responses.var(axis=0))
    for k in (1, 3):
        top = PCA(k).fit(responses).components_
        found = by_name[f"response_pcs_removed_{k}"].apply(rows)
        assert found == pytest.approx(rows - rows @ top.T @ top)
    for metric in by_name.values():
        assert metric.gram(rows) == pytest.approx(metric.apply(rows) @ rows.T)
    few = layer_inner_products(space_of(responses[:9]), np.zeros((0, 30)))
    assert [m.name for m in few] == ["identity", "massive_removed"]
    without = layer_inner_products(space_of(responses[:0]), responses)
    assert "coordinates removed: 4" in without[1].note


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_within_class_metric_is_ledoit_wolfs_inverse(scale):
    prompts, mask, *_ = cell(2, high=9, low=7)
    prompts = scale * prompts
    groups = [mask, ~mask]
    centred = prompts.copy()
    for group in groups:
        centred[group] -= prompts[group].mean(axis=0)
    oracle = LedoitWolf(assume_centered=True).fit(centred)
    found = within_class(prompts @ prompts.T, groups, prompts.shape[1])
    assert found.shrinkage == pytest.approx(oracle.shrinkage_, rel=1e-9)
    inverse = np.linalg.inv(oracle.covariance_)
    gram = prompts @ prompts.T
    assert gram @ found.transform == pytest.approx(prompts @ inverse @ prompts.T, rel=1e-6)
    responses = np.random.default_rng(3).normal(size=(11, prompts.shape[1]))
    expected = responses @ inverse @ prompts.T
    assert responses @ prompts.T @ found.transform == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_within_class_metric_needs_a_spread():
    rows = np.repeat(np.random.default_rng(4).normal(size=(2, 10)), 3, axis=0)
    mask = np.arange(6) < 3
    assert within_class(rows @ rows.T, [mask, ~mask], 10) is None


def scored(seed, signal, scenarios=60, width=20):
    """Two responses per scenario with a score that a direction predicts."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=width)
    truth /= np.linalg.norm(truth)
    group = np.repeat(np.arange(scenarios), 2)
    scores = rng.uniform(0, 10, size=2 * scenarios)
    features = rng.normal(size=(2 * scenarios, width)) + signal * (scores - 5)[:, None] * truth
    features += 2 * rng.normal(size=(scenarios, width))[group]  # what a scenario shares
    first = np.arange(0, 2 * scenarios, 2)
    return features, scores, group, first, first + 1, truth


def ridge_probe(features, first, last, behaviour, group):
    (found,) = ridge_probes(features, [RidgeTarget(first, last, behaviour)], group)
    return found


def held_out_r(probe, first, last, scores):
    drift = probe.held_out[last] - probe.held_out[first]
    return np.corrcoef(drift, scores[last] - scores[first])[0, 1]


def test_probes_find_a_planted_direction():
    features, scores, group, first, last, truth = scored(5, 0.6, scenarios=300)
    ridge = ridge_probe(features, first, last, scores[last] - scores[first], group)
    logistic = logistic_probes(features, [scores], group, Labels(5, 3))[0]
    median = logistic_probes(features, [scores], group, Labels(None, None))[0]
    for probe in (ridge, logistic, median):
        assert probe.reason is None
        assert np.linalg.norm(probe.direction) == pytest.approx(1.0)
        assert probe.direction @ truth > 0.8
        assert held_out_r(probe, first, last, scores) > 0.6


def test_held_out_r_of_probes_is_at_chance_on_noise():
    rs = []
    for seed in range(40):
        features, scores, group, first, last, _ = scored(100 + seed, 0.0, scenarios=40)
        probe = ridge_probe(features, first, last, scores[last] - scores[first], group)
        rs.append(held_out_r(probe, first, last, scores))
    # The mean of 40 r at n = 40 has standard error 0.025.
    assert abs(np.mean(rs)) < 0.1


def test_a_scenario_is_never_on_both_sides():
    groups = np.random.default_rng(6).integers(0, 17, size=100)
    folds = grouped_folds(groups, 5, 1)
    assert np.sum(folds, axis=0).tolist() == [1] * 100
    for fold in folds:
        assert not set(groups[fold]) & set(groups[~fold])


def test_held_out_projections_are_those_of_refitting_without_the_fold():
    features, scores, group, first, last, _ = scored(7, 0.6)
    behaviour = scores[last] - scores[first]
    probe = ridge_probe(features, first, last, behaviour, group)
    rows = features[last] - features[first]
    rms = math.sqrt(np.square(rows).sum(axis=1).mean())
    fold = grouped_folds(group, 5, SEED)[0]
    train = ~fold[last]
    # One of the strengths tried gives exactly these projections, by sklearn's own ridge.
    matches = []
    for strength in (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2):
        model = Ridge(alpha=strength * train.sum()).fit(rows[train] / rms, behaviour[train])
        direction = model.coef_ / np.linalg.norm(model.coef_)
        matches.append(np.allclose(features[fold] @ direction, probe.held_out[fold], rtol=1e-6))
    assert sum(matches) == 1
    logistic = logistic_probes(features, [scores], group, Labels(5, 3))[0]
    scaled = features / math.sqrt(np.square(features).sum(axis=1).mean())
    used = ~fold & ((scores >= 5) | (scores <= 3))
    matches = []
    for strength in (0.1, 1.0, 10.0):
        model = LogisticRegression(
            C=strength, class_weight="balanced", tol=1e-9, solver="newton-cholesky"
        )
        weights = model.fit(scaled[used], scores[used] >= 5).coef_[0]
        direction = weights / np.linalg.norm(weights)
        matches.append(np.allclose(features[fold] @ direction, logistic.held_out[fold], rtol=1e-5))
    assert sum(matches) == 1


def test_the_median_is_that_of_the_training_responses():
    """By refitting sklearn's regression where the fold's median is not that of all."""
    features, scores, group, *_ = scored(17, 0.6)
    fold = grouped_folds(group, 5, SEED)[0]
    scores = np.where(fold, scores + 6, scores)
    middle = np.median(scores[~fold])
    assert abs(middle - np.median(scores)) > 0.2
    probe = logistic_probes(features, [scores], group, Labels(None, None))[0]
    scaled = features / math.sqrt(np.square(features).sum(axis=1).mean())
    matches = []
    for strength in (0.1, 1.0, 10.0):
        model = LogisticRegression(
            C=strength, class_weight="balanced", tol=1e-9, solver="newton-cholesky"
        )
        weights = model.fit(scaled[~fold], scores[~fold] > middle).coef_[0]
        direction = weights / np.linalg.norm(weights)
        matches.append(np.allclose(features[fold] @ direction, probe.held_out[fold], rtol=1e-5))
    assert sum(matches) == 1


def test_probes_say_why_not():
    features, scores, group, first, last, _ = scored(8, 0.5)
    assert (
        "each class needs 10"
        in logistic_probes(features, [scores], group, Labels(9.9, 1))[0].reason
    )
    flat = np.zeros(len(last))
    assert "do not vary" in ridge_probe(features, first, last, flat, group).reason
    assert "needs 20" in ridge_probe(features, first[:5], last[:5], flat[:5], group).reason


def test_probes_need_three_groups_to_nest_folds_in_folds():
    features, scores, group, first, last, _ = scored(8, 0.5)
    behaviour = scores[last] - scores[first]
    for count in (1, 2, 3):
        own = group % count
        found = (
            ridge_probe(features, first, last, behaviour, own),
            logistic_probes(features, [scores], own, Labels(None, None))[0],
        )
        for probe in found:
            if count < 3:
                why = f"nested folds need at least 3 groups of dependent responses, not {count}"
                assert (probe.direction, probe.reason) == (None, why)
                assert np.isnan(probe.held_out).all()
            else:
                assert probe.reason is None and np.isfinite(probe.held_out).all()


def drift_moments(part):
    prompts, _, first, last, drift = part
    count = len(first)
    alignment = np.concatenate([first, last]) @ prompts.T
    return moments(
        alignment, np.arange(count), np.arange(count) + count, Cases.independent(drift, drift)
    )


def test_shuffled_labels_by_direct_shuffling():
    part = cell(9, cases=80)
    prompts, mask, first, last, drift = part
    found = shuffled_labels(mask, drift_moments(part), 0.5, draws=300, seed=1)
    masks = np.random.default_rng(1).permuted(np.tile(mask, (300, 1)), axis=1)
    rs = [
        np.corrcoef((last - first) @ (prompts[m].mean(0) - prompts[~m].mean(0)), drift)[0, 1]
        for m in masks
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(rs, [0.025, 0.975])))
    assert found.p == (1 + sum(abs(r) >= 0.5 for r in rs)) / 301


def test_random_directions_by_direct_projection():
    rng = np.random.default_rng(10)
    drift, y = rng.normal(size=(50, 12)), rng.normal(size=50)
    directions = rng.normal(size=(12, 40))
    found = random_directions(drift @ directions, Cases.independent(y, y), 0.2)
    rs = [np.corrcoef(drift @ d, y)[0, 1] for d in directions.T]
    assert found.typical == pytest.approx(np.median(np.abs(rs)))
    assert found.p == (1 + sum(abs(r) >= 0.2 for r in rs)) / 41
    flat = Cases.independent(y, np.ones(50))
    assert random_directions(drift @ directions, flat, 0.2).reason is not None


def test_subsampling_by_direct_vectors():
    part = cell(11, high=12, low=12, cases=60)
    prompts, mask, first, last, drift = part
    found = subsample(prompts @ prompts.T, mask, drift_moments(part), sizes=(5, 12, 15), draws=50)
    assert [row.size for row in found] == [5, 12]
    rng = np.random.default_rng([20260306, 5])
    whole = prompts[mask].mean(0) - prompts[~mask].mean(0)
    cosines, pairs, rs = [], [], []
    for _ in range(50):
        orders = [rng.permutation(np.flatnonzero(pole)) for pole in (mask, ~mask)]
        v, u = (
            prompts[orders[0][part]].mean(0) - prompts[orders[1][part]].mean(0)
            for part in (slice(0, 5), slice(5, 10))
        )
        norm = np.linalg.norm
        cosines.append(v @ whole / norm(v) / norm(whole))
        pairs.append(u @ v / norm(u) / norm(v))
        rs.append(np.corrcoef((last - first) @ v, drift)[0, 1])
    assert found[0].cosine[0] == pytest.approx(np.mean(cosines))
    assert found[0].stability == pytest.approx(np.mean(pairs))
    assert found[0].r == pytest.approx((np.mean(rs), *np.quantile(rs, [0.025, 0.975])))
    own = correlation_of_weights(np.where(mask, 1 / 12, -1 / 12), drift_moments(part)).value
    assert found[1].cosine[0] == pytest.approx(1.0) and found[1].stability is None
    assert found[1].r[0] == pytest.approx(own)


def test_ridge_probes_of_several_targets_are_those_of_each():
    features, scores, group, first, last, _ = scored(18, 0.4)
    drift = scores[last] - scores[first]
    targets = [
        RidgeTarget(first, last, drift),
        RidgeTarget(first, last, np.random.default_rng(0).permutation(drift)),
        RidgeTarget(None, last, scores[last]),
        RidgeTarget(first[5:], last[5:], drift[5:]),
        RidgeTarget(first, last, np.ones(len(last))),
    ]
    for target, found in zip(targets, ridge_probes(features, targets, group), strict=True):
        alone = ridge_probe(features, target.first, target.last, target.values, group)
        assert found.reason == alone.reason
        np.testing.assert_allclose(found.held_out, alone.held_out, rtol=1e-9, atol=1e-12)


def sklearns(x, high, strength):
    model = LogisticRegression(
        C=strength, class_weight="balanced", max_iter=1000, tol=1e-9, solver="newton-cholesky"
    ).fit(x, high)
    return np.append(model.coef_[0], model.intercept_)


@pytest.mark.parametrize(("n", "q"), [(30, 80), (80, 30), (12, 4), (40, 40)])
def test_logistic_fits_are_sklearns(n, q):
    """Problems side by side, each on other rows, are those fitted alone."""
    rng = np.random.default_rng(n)
    x, high = rng.normal(size=(n, q)) * rng.uniform(0.1, 3, size=q), rng.random(n) < 0.3
    strengths = np.array([0.1, 1.0, 10.0, 1.0])
    used = np.ones((n, 4), bool)
    used[:, 3] = np.arange(n) % 3 > 0
    used[np.flatnonzero(high)[:2], 3] = True
    highs = np.tile(high[:, None], (1, 4))
    exact = logistic_fits(x, highs, used, strengths)
    near = logistic_fits(x, highs, used, strengths, exact=False)
    for strength, rows, found, rough in zip(strengths, used.T, exact.T, near.T, strict=True):
        expected = sklearns(x[rows], high[rows], strength)
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
        np.testing.assert_allclose(rough, expected, atol=1e-2 * np.abs(expected).max())
    with pytest.raises(ValueError, match="both classes"):
        logistic_fits(x, np.ones((n, 1), bool), used[:, :1], strengths[:1])


def test_logistic_fits_that_are_hard():
    """Classes that a line separates, a column on another scale, and more problems than a block."""
    rng = np.random.default_rng(21)
    x = rng.normal(size=(60, 5)) * np.array([1e3, 1.0, 1.0, 1e-3, 1.0])
    high = x[:, 1] > 0
    strengths = np.array([1e3, 1e-4, 1.0])
    shape = (60, 3)
    found = logistic_fits(x, np.broadcast_to(high[:, None], shape), np.ones(shape, bool), strengths)
    for strength, own in zip(strengths, found.T, strict=True):
        margins = (x @ own[:-1] + own[-1]) * np.where(high, 1, -1)
        wrong = 1 / (1 + np.exp(margins))
        side = np.where(high, 60 / (2 * high.sum()), -60 / (2 * (~high).sum()))
        gradient = own[:-1] / strength - x.T @ (side * wrong)
        scale = np.abs(x).T @ (np.abs(side) * wrong) + np.abs(own[:-1]) / strength
        assert np.abs(gradient).max() <= 1e-6 * scale.max() + 1e-7


def test_blocks_of_problems_change_nothing(monkeypatch):
    rng = np.random.default_rng(22)
    x, high = rng.normal(size=(50, 8)), rng.random((50, 7)) < 0.4
    used = rng.random((50, 7)) < 0.9
    strengths = rng.uniform(0.1, 10, size=7)
    whole = logistic_fits(x, high, used, strengths)
    monkeypatch.setattr("backend.core.vectors.logistic.BLOCK", 100)
    np.testing.assert_allclose(logistic_fits(x, high, used, strengths), whole, rtol=1e-5, atol=1e-7)

"""Every metric from G equals a direct float64 computation from activations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from backend.core.metrics import held_out
from backend.core.metrics.registry import METRICS, measure_cell
from backend.core.metrics.stability import influences
from backend.core.prompt_cells import PromptCells

WIDTH = 96
PAIRS = np.tile(np.arange(20), 2)


def ordinary(rng, n_high=20, n_low=20, width=WIDTH):
    base = rng.normal(size=width) * 3
    trait = rng.normal(size=width) * 0.5
    rows = base + rng.normal(size=(n_high + n_low, width))
    high = np.arange(n_high + n_low) < n_high
    rows[high] += trait
    return rows.astype(np.float32), high


def near_duplicate(rng):
    rows, high = ordinary(rng)
    rows[high] = rows[0] + 1e-3 * rng.normal(size=(high.sum(), WIDTH)).astype(np.float32)
    return rows, high


def huge(rng):
    rows, high = ordinary(rng)
    rows[:, 7] += 1e4
    return rows, high


def tiny(rng):
    rows, high = ordinary(rng)
    return rows * np.float32(1e-3), high


def five(rng):
    return ordinary(rng, 5, 5)


def unequal(rng):
    return ordinary(rng, 4, 9)


CASES = (ordinary, near_duplicate, huge, tiny, five, unequal)


def angle(a, b):
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def direct(rows, high):
    """All metrics but split-half stability, straight from their definitions."""
    x = rows.astype(np.float64)
    poles = {"high": x[high], "low": x[~high]}
    v = poles["high"].mean(0) - poles["low"].mean(0)
    found = {"separation": np.linalg.norm(v)}
    traces = {}
    for name, pole in poles.items():
        norms = np.linalg.norm(pole, axis=1)
        variance = pole.var(axis=0)
        traces[name] = variance.sum()
        found[f"{name}_within_variance"] = variance.mean()
        found[f"{name}_spread"] = variance.sum() / np.sum(pole.mean(0) ** 2)
        found[f"{name}_norm_cv"] = norms.std() / norms.mean()
        found[f"{name}_cosine"] = np.mean(
            [
                a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                for a, b in itertools.combinations(pole, 2)
            ]
        )
    mean_variance = (found["high_within_variance"] + found["low_within_variance"]) / 2
    found["snr"] = found["separation"] / mean_variance
    found["fisher_ratio"] = found["separation"] ** 2 / ((traces["high"] + traces["low"]) / 2)
    shares = v**2 / np.sum(v**2)
    found["dominance"] = shares.max()
    found["dominant_coordinate"] = shares.argmax()
    found["participation_ratio"] = 1 / np.sum(shares**2)
    within = np.where(high[:, None], x - x[high].mean(0), x - x[~high].mean(0))
    sizes = np.linalg.svd(within, compute_uv=False) ** 2
    found["effective_prompts"] = 2 + sizes.sum() ** 2 / (sizes**2).sum()
    turns = []
    for i in range(len(x)):
        keep = np.arange(len(x)) != i
        turns.append(angle(x[keep & high].mean(0) - x[keep & ~high].mean(0), v))
    found["largest_influence"] = max(turns)
    differences = []
    for i, j in itertools.product(np.flatnonzero(high), np.flatnonzero(~high)):
        keep = ~np.isin(np.arange(len(x)), (i, j))
        w = x[keep & high].mean(0) - x[keep & ~high].mean(0)
        differences.append((x[i] - x[j]) @ w / np.linalg.norm(w))
    differences = np.array(differences)
    found["auroc"] = np.mean(differences > 0) + np.mean(differences == 0) / 2
    high_n, low_n = int(high.sum()), int((~high).sum())
    shared = low_n * (high_n - 1) + high_n * (low_n - 1)
    spread = np.sqrt(((differences - differences.mean()) ** 2).sum() / shared)
    free = high_n + low_n - 2
    hedges = math.gamma(free / 2) / (math.sqrt(free / 2) * math.gamma((free - 1) / 2))
    found["d_prime"] = hedges * differences.mean() / spread
    return found, turns


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_metric_equals_the_direct_computation(case, seed):
    rows, high = case(np.random.default_rng(seed))
    measured = measure_cell(PromptCells.from_activations(rows, high))
    expected, _ = direct(rows, high)
    apart = {"split_half_stability", "pair_agreement", "pairs_astray"}
    assert set(expected) | apart == {metric.name for metric in METRICS}
    for name, value in expected.items():
        assert measured[name].value == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("case", CASES)
def test_influences_equal_the_angles_of_vectors_built_without_each_prompt(case):
    rows, high = case(np.random.default_rng(3))
    space = PromptCells.from_activations(rows, high)
    _, turns = direct(rows, high)
    assert influences(space).values[0] == pytest.approx(turns, rel=1e-6)


def test_auroc_of_pairs_is_sklearns_when_the_vector_barely_depends_on_the_pair():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(400, 3))
    high = np.arange(400) < 200
    rows[high, 0] += 1.0
    space = PromptCells.from_activations(rows, high)
    v = rows[high].mean(0) - rows[~high].mean(0)
    expected = roc_auc_score(high, rows @ v)
    assert measure_cell(space)["auroc"].value == pytest.approx(expected, abs=0.01)


def test_held_out_auroc_is_at_chance_on_noise_where_leaving_one_out_is_not():
    """The reason for leaving out pairs: see backend/core/metrics/held_out.py."""
    pairs, singles = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(10, 1024))
        high = np.arange(10) < 5
        pairs.append(measure_cell(PromptCells.from_activations(rows, high))["auroc"].value)
        scores = []
        for i in range(10):
            keep = np.arange(10) != i
            mu_high, mu_low = rows[keep & high].mean(0), rows[keep & ~high].mean(0)
            w = mu_high - mu_low
            scores.append((rows[i] - (mu_high + mu_low) / 2) @ w / np.linalg.norm(w))
        singles.append(roc_auc_score(high, scores))
    standard_error = np.std(pairs) / np.sqrt(len(pairs))
    assert abs(np.mean(pairs) - 0.5) < 3 * standard_error
    assert np.mean(singles) < 0.2


def test_split_half_stability_recovers_the_planted_reliability():
    """cos^2 of v with the true direction is S / (S + noise); halves double the noise."""
    rng = np.random.default_rng(5)
    n, width = 40, 4000
    trait = rng.normal(size=width)
    trait *= 20 / np.linalg.norm(trait)
    measured = []
    for _ in range(10):
        rows = rng.normal(size=(2 * n, width))
        high = np.arange(2 * n) < n
        rows[high] += trait
        measured.append(
            measure_cell(PromptCells.from_activations(rows, high))["split_half_stability"].value
        )
    reliability = 400 / (400 + 2 * width / n)
    assert np.mean(measured) == pytest.approx(reliability, abs=0.01)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_scale_free_metrics_ignore_scale_and_the_others_follow_their_units(metric):
    rows, high = ordinary(np.random.default_rng(6))
    power = {"activation": 1, "activation²": 2, "1/activation": -1}.get(metric.unit, 0)
    assert metric.scale_free == (power == 0)
    before = metric.compute(PromptCells.from_activations(rows.astype(float), high, PAIRS)).values[0]
    after = metric.compute(
        PromptCells.from_activations(10.0 * rows.astype(float), high, PAIRS)
    ).values[0]
    assert after == pytest.approx(before * 10.0**power, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_order_of_prompts_does_not_matter(metric):
    rows, high = ordinary(np.random.default_rng(7))
    order = np.random.default_rng(8).permutation(len(rows))
    before = metric.compute(PromptCells.from_activations(rows, high, PAIRS)).values[0]
    after = metric.compute(
        PromptCells.from_activations(rows[order], high[order], PAIRS[order])
    ).values[0]
    # Random halves are drawn by position, so another order draws other halves.
    tolerance = 0.02 if "split_half" in metric.name else 1e-9
    assert after == pytest.approx(before, rel=tolerance)


@pytest.mark.parametrize(
    "metric",
    [
        m
        for m in METRICS
        if m.name not in ("dominance", "dominant_coordinate", "participation_ratio")
    ],
    ids=lambda m: m.name,
)
def test_rotation_of_the_residual_stream_does_not_matter(metric):
    rng = np.random.default_rng(9)
    rows, high = ordinary(rng)
    rotation, _ = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))
    before = metric.compute(PromptCells.from_activations(rows.astype(float), high, PAIRS)).values[0]
    after = metric.compute(
        PromptCells.from_activations(rows.astype(float) @ rotation, high, PAIRS)
    ).values[0]
    assert after == pytest.approx(before, rel=1e-8)


def test_swapping_the_poles_swaps_their_metrics_and_keeps_the_rest():
    rows, high = unequal(np.random.default_rng(10))
    one = measure_cell(PromptCells.from_activations(rows, high))
    other = measure_cell(PromptCells.from_activations(rows, ~high))
    for name in ("within_variance", "spread", "cosine", "norm_cv"):
        assert one[f"high_{name}"].value == pytest.approx(other[f"low_{name}"].value, rel=1e-12)
    for name in ("separation", "fisher_ratio", "auroc", "d_prime", "dominance"):
        assert one[name].value == pytest.approx(other[name].value, rel=1e-9)


@pytest.mark.parametrize("prompts", [3, 5, 20])
def test_d_prime_is_unbiased_for_few_prompts(prompts):
    """Along a known direction, poles four spreads apart: 600 draws, mean within three errors."""
    rng = np.random.default_rng(prompts)
    high = np.arange(2 * prompts) < prompts
    found = []
    for _ in range(600):
        rows = rng.normal(size=(2 * prompts, 1)) + np.where(high, 2.0, -2.0)[:, None]
        cells = PromptCells.from_activations(rows, high)
        found.append(float(held_out.d_prime(cells).values[0]))
    error = np.std(found) / np.sqrt(600)
    assert np.mean(found) == pytest.approx(4.0, abs=3 * error) and error < 0.1

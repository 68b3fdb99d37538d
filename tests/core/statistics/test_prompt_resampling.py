"""Bootstrap over prompts: against resampling by hand, and its coverage on simulated prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.metrics.registry import measure_cell
from backend.core.prompt_cells import PromptCells
from backend.core.statistics.prompt_resampling import (
    POLE_MEASURES,
    RESAMPLES,
    SEED,
    PoleSample,
    compare_poles,
    draw_counts,
    is_paired,
)

BY_NAME = {measure.name: measure for measure in POLE_MEASURES}


def sample(rows, prefix="text"):
    return PoleSample(
        rows @ rows.T, rows.shape[1], tuple(f"{prefix} {i}" for i in range(len(rows)))
    )


def drawn(seed, n=8, width=12, noise=0.6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, width)) + noise * rng.normal(size=(n, width))


def by_hand(name, rows, picks):
    """A measure of a resample, pair by pair; a prompt and its own copy are no pair."""
    n = len(rows)
    pairs = [
        (rows[i], rows[j])
        for a, i in enumerate(picks)
        for b, j in enumerate(picks)
        if a < b and i != j
    ]
    if name == "cosine":
        return np.mean([x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in pairs])
    trace = (n - 1) / n * np.mean([np.sum((x - y) ** 2) / 2 for x, y in pairs])
    if name == "within_variance":
        return trace / rows.shape[1]
    lengths = np.mean([(x @ x + y @ y) / 2 for x, y in pairs])
    return trace / (lengths / n + (n - 1) / n * np.mean([x @ y for x, y in pairs]))


@pytest.mark.parametrize("name", BY_NAME)
def test_resamples_are_those_of_a_direct_computation(name):
    rows = drawn(1)
    counts = draw_counts(np.random.default_rng(5), 8)[:60]
    own = sample(rows)
    found = BY_NAME[name].of_counts(own.gram, own.width, counts)
    for value, count in zip(found, counts, strict=True):
        picks = np.repeat(np.arange(8), count.astype(int))
        assert value == pytest.approx(by_hand(name, rows, picks), rel=1e-10)


@pytest.mark.parametrize("name", BY_NAME)
def test_with_every_prompt_once_the_measure_is_the_registered_metric(name):
    rows = np.vstack([drawn(2, 7), drawn(3, 6)])
    space = PromptCells.from_activations(rows, np.arange(13) < 7)
    expected = measure_cell(space)[f"high_{name}"].value
    assert BY_NAME[name].value(sample(rows[:7])) == pytest.approx(expected, rel=1e-12)


def test_a_paired_interval_is_that_of_resampling_both_alike():
    first, second = drawn(4), drawn(4) + 0.1 * drawn(5)
    shuffled = np.random.default_rng(0).permutation(8)
    other = PoleSample(
        (second @ second.T)[np.ix_(shuffled, shuffled)],
        12,
        tuple(f"text {i}" for i in shuffled),
    )
    found = compare_poles(BY_NAME["cosine"], sample(first), other)
    counts = np.random.default_rng(SEED).multinomial(8, np.full(8, 1 / 8), size=RESAMPLES)
    differences = []
    for count in counts:
        picks = np.repeat(np.arange(8), count)
        differences.append(by_hand("cosine", second, picks) - by_hand("cosine", first, picks))
    tail = stats.norm.cdf(np.sqrt(8 / 7) * stats.t.ppf(0.025, 7))
    assert (found.low, found.high) == pytest.approx(np.quantile(differences, [tail, 1 - tail]))
    assert found.value == pytest.approx(
        by_hand("cosine", second, range(8)) - by_hand("cosine", first, range(8))
    )
    assert is_paired(sample(first), other)
    apart = compare_poles(BY_NAME["cosine"], sample(first), sample(second, "new"))
    assert apart.value == pytest.approx(found.value)
    assert apart.high - apart.low > 2 * (found.high - found.low)


def test_what_cannot_be_resampled_says_so():
    cosine = BY_NAME["cosine"]
    few = compare_poles(cosine, sample(drawn(6, 4)), sample(drawn(7, 9)))
    assert few.value is not None and few.low is None and few.reason == "fewer than 5 prompts"
    zero = drawn(8)
    zero[0] = 0.0
    assert compare_poles(cosine, sample(zero), sample(drawn(9))).value is None
    same = np.tile(drawn(8, 1), (6, 1))
    flat = compare_poles(cosine, sample(same), sample(same))
    assert (flat.value, flat.low, flat.reason) == (0.0, None, "the resamples do not vary")


@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_interval_covers_the_difference_of_two_kinds_of_prompts(n):
    """Two populations of prompts with different noise; the truth from 3,000 prompts each."""
    many = [drawn_around(seed, 3000, noise) for seed, noise in ((1, 0.5), (2, 0.8))]
    truth = np.subtract(*[BY_NAME["cosine"].value(sample(rows)) for rows in many[::-1]])
    hits = 0
    for seed in range(120):
        first, second = drawn_around(2 * seed + 10, n, 0.5), drawn_around(2 * seed + 11, n, 0.8)
        found = compare_poles(BY_NAME["cosine"], sample(first), sample(second, "other"))
        hits += found.low <= truth <= found.high
    assert 0.90 <= hits / 120 <= 1.0


def drawn_around(seed, n, noise, width=24):
    """Prompts around one fixed direction."""
    return np.eye(1, width) + noise * np.random.default_rng(seed).normal(size=(n, width)) / 4

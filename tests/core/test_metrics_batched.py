"""A batch with padding and dropped prompts equals each cell alone; new metrics need no more."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.metrics import registry
from backend.core.metrics.measured import Measured
from backend.core.metrics.registry import PromptMetric, in_lab, live_metrics, measure_all
from backend.core.metrics.stability import influences
from backend.core.prompt_cells import PromptCells, mean_difference

WIDTH = 48


def cells_alone(seed):
    """Activations and poles of cells of many sizes, of one prompt, of none that differ."""
    rng = np.random.default_rng(seed)
    found = []
    for n_high, n_low in ((9, 9), (2, 12), (1, 4), (5, 3), (12, 2), (3, 1), (4, 4), (7, 7)):
        high = rng.permutation(np.arange(n_high + n_low) < n_high)
        rows = 2 * rng.normal(size=WIDTH) + rng.normal(size=(len(high), WIDTH))
        rows[high] += rng.normal(size=WIDTH)
        found.append((rows, high))
    found[6][0][2] = 0.0
    found[7][0][:] = 0.0
    return found


def batch(parts, rng, dropped=3):
    """All cells in one batch, their prompts among others that a filter dropped."""
    n = max(len(high) for _, high in parts) + dropped
    gram = np.zeros((len(parts), n, n))
    high, low = np.zeros((2, len(parts), n), bool)
    places = []
    for c, (rows, mask) in enumerate(parts):
        place = np.sort(rng.choice(n, len(mask), replace=False))
        every = 5 * rng.normal(size=(n, WIDTH))
        every[place] = rows
        gram[c] = every @ every.T
        gram[c][np.ix_(place, place)] = rows @ rows.T
        high[c, place], low[c, place] = mask, ~mask
        places.append(place)
    vectors = np.array([x[high].mean(axis=0) - x[~high].mean(axis=0) for x, high in parts])
    cells = PromptCells(gram, high, low, mean_difference(high, low), WIDTH, vectors)
    return cells, places


def same(found, expected):
    return expected == (found if expected is None else pytest.approx(found, rel=1e-12))


@pytest.mark.parametrize("seed", range(5))
def test_a_cell_in_a_batch_is_the_cell_alone(seed):
    parts = cells_alone(seed)
    cells, places = batch(parts, np.random.default_rng(seed + 100))
    turned = influences(cells)
    for c, (measured, part) in enumerate(zip(measure_all(cells), parts, strict=True)):
        alone = PromptCells.from_activations(*part)
        for name, expected in measure_all(alone)[0].items():
            assert same(measured[name].value, expected.value), name
            assert (measured[name].reason, measured[name].n) == (expected.reason, expected.n)
        one = influences(alone)
        assert turned.values[c, places[c]] == pytest.approx(one.values[0], rel=1e-12, nan_ok=True)
        found = turned.estimates(cells, c)
        assert [e.reason for e in found] == [e.reason for e in one.estimates(alone, 0)]


def test_live_metrics_are_the_measured_ones():
    cells, _ = batch(cells_alone(9), np.random.default_rng(9))
    live, measured = live_metrics(cells), measure_all(cells)
    assert list(live) == [metric.name for metric in in_lab()]
    for name, values in live.items():
        assert [None if np.isnan(v) else v for v in values] == [m[name].value for m in measured]


def test_taken_cells_are_those_of_the_batch():
    cells, _ = batch(cells_alone(10), np.random.default_rng(10))
    taken = measure_all(cells.take(np.array([3, 1])))
    for one, other in zip(taken, np.array(measure_all(cells))[[3, 1]], strict=True):
        for name in one:
            assert same(one[name].value, other[name].value), name


def test_a_cell_without_prompts_of_a_pole_says_so():
    cells, _ = batch(cells_alone(11), np.random.default_rng(11))
    empty = PromptCells(cells.gram, cells.high, cells.low & False, cells.weights, WIDTH,
                        cells.vector)  # fmt: skip
    for measured in measure_all(empty):
        assert {m.reason for m in measured.values()} == {"a pole has no prompts"}
    assert np.isnan(influences(empty).values).all()


def test_a_metric_registered_at_run_time_is_measured(monkeypatch):
    """One function and one entry: nothing else knows the metrics by name."""

    def median_norm(cells):
        """Median norm of the high pole's prompts."""
        values = [np.median(norms[there]) for norms, there in
                  zip(cells.high_pole.norms, cells.high_pole.members, strict=True)]  # fmt: skip
        few = cells.high_pole.prompts < 3
        return Measured.unless(cells, np.array(values), (few, "fewer than 3 prompts"))

    entry = PromptMetric(
        "median_norm", "Median norm", "activation", "median ||x_i||", "[0, ∞)",
        "fewer than 3 prompts", "neither", median_norm, live=True,
    )  # fmt: skip
    monkeypatch.setattr(registry, "METRICS", [*registry.METRICS, entry])
    parts = cells_alone(12)
    cells, _ = batch(parts, np.random.default_rng(12))
    measured, live = measure_all(cells), live_metrics(cells)
    assert list(live)[-1] == "median_norm"
    for c, (rows, high) in enumerate(parts):
        found = measured[c]["median_norm"]
        if high.sum() < 3:
            assert found.reason == "fewer than 3 prompts" and np.isnan(live["median_norm"][c])
            continue
        expected = np.median(np.linalg.norm(rows[high], axis=1))
        assert found.value == pytest.approx(expected, rel=1e-12)
        assert live["median_norm"][c] == found.value

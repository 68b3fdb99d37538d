"""The methods' grid, tests and curve equal what numpy and scipy make of the run's tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.vectors.methods import METHODS
from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.views.methods.comparison import method_choice, method_comparison
from backend.views.methods.compute import METHOD, method_grid
from backend.views.methods.subsampling import subsampling
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def run_id(settings):
    return publish_small_phantom(settings)[1][0]


def all_drifts(settings, run_id):
    """(method, trait, layer) -> projection drift and behaviour, from the projections table."""
    with reading_run(settings, run_id) as connection:
        rows = connection.execute(
            "SELECT l.method, l.trait, l.layer, l.projection - f.projection, b.value"
            " FROM behaviours b"
            " JOIN projections l ON l.response_id = b.last_response AND l.trait = b.trait"
            " JOIN projections f ON f.response_id = b.first_response AND f.trait = b.trait"
            " AND f.layer = l.layer AND f.method = l.method ORDER BY b.case_id"
        ).fetchall()
    found = {}
    for *key, drift, value in rows:
        found.setdefault(tuple(key), []).append((drift, value))
    return {key: np.array(pairs).T for key, pairs in found.items()}


def drift_of(settings, run_id, *key):
    """One method's drift and behaviour."""
    return all_drifts(settings, run_id)[key]


def test_every_registered_method_is_there_and_absent_ones_say_so(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    assert [row.name for row in grid.rows] == [method.name for method in METHODS]
    absent = {row.name for row in grid.rows if not row.computed}
    assert absent == {"logistic_5_3", "logistic_4_2", "logistic_any"}
    assert not any(method in absent for method, _ in grid.cells)
    assert {row.name for row in grid.rows if row.fitted} >= {"ridge_drift"}


def test_r_and_intervals_are_those_of_the_projections(settings, run_id):
    best = method_grid(settings, run_id, "default")
    drifts = all_drifts(settings, run_id)
    for layer in (None, 2):
        grid = method_grid(settings, run_id, "default", layer)
        for (method, trait), cell in grid.cells.items():
            if cell.correlation.value is None:
                assert cell.correlation.reason
                continue
            assert layer in (None, cell.layer)
            x, y = drifts[method, trait, cell.layer]
            found = stats.pearsonr(x, y)
            assert cell.correlation.value == pytest.approx(found.statistic)
            low, high = found.confidence_interval()
            assert (cell.correlation.low, cell.correlation.high) == pytest.approx((low, high))
            if layer is None:
                assert 1 <= cell.of_layers <= 3 and cell.held_out.value is not None
                chosen = cell.of_layers > 1
                assert cell.fair().value == (
                    cell.held_out.value if chosen else cell.correlation.value
                )
            else:
                assert cell.fair().value == cell.correlation.value
                assert cell.correlation.value <= best.cells[method, trait].correlation.value + 1e-12


def test_differences_are_of_dependent_correlations(settings, run_id):
    comparison = method_comparison(settings, run_id, "default", 1)
    trait = next(trait for method, trait in comparison.differences if method == "lda")
    x, y = drift_of(settings, run_id, "lda", trait, 1)
    base, _ = drift_of(settings, run_id, METHOD, trait, 1)
    r = np.corrcoef([y, x, base])
    found = comparison.differences["lda", trait]
    assert found.difference.value == pytest.approx(r[0, 1] - r[0, 2])
    assert found.between == pytest.approx(r[1, 2])
    ps = [f.difference.p for f in comparison.differences.values() if f.difference.p is not None]
    assert comparison.tests() == len(ps)
    expected = stats.false_discovery_control(ps)
    adjusted = [f.adjusted_p for f in comparison.differences.values() if f.adjusted_p is not None]
    assert adjusted == pytest.approx(list(expected))


def test_over_traits_uses_r_without_the_choice_of_layer(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    overall = method_comparison(settings, run_id, "default").overall
    z = [
        np.arctanh(grid.cells["lda", t].held_out.value)
        - np.arctanh(grid.cells[METHOD, t].held_out.value)
        for t in grid.traits
    ]
    test = stats.ttest_1samp(z, 0)
    assert overall["lda"].z.value == pytest.approx(np.mean(z))
    assert overall["lda"].z.p == pytest.approx(test.pvalue)
    assert overall["lda"].won == sum(value > 0 for value in z)
    assert METHOD not in overall and "logistic_any" not in overall


def test_the_choice_is_measured_where_it_was_not_made(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    trait = grid.traits[0]
    found = method_choice(settings, run_id, trait, "default")
    highest = max(
        cell.correlation.value
        for (_, t), cell in grid.cells.items()
        if t == trait and cell.correlation.value is not None
    )
    assert found.highest.value == highest
    assert found.held_out.value < highest
    with reading_run(settings, run_id) as connection:
        stored = connection.execute(
            "SELECT held_out_r, held_out_low FROM best_layers WHERE method = ? AND trait = ?",
            [METHOD, trait],
        ).fetchall()[0]
        vectors = connection.execute(
            "SELECT count(DISTINCT (method, layer)) FROM projections WHERE trait = ?", [trait]
        ).fetchall()[0][0]
    assert (found.baseline.value, found.baseline.low) == pytest.approx(stored)
    assert found.candidates == vectors
    single = method_choice(settings, run_id, trait, "default", 2)
    assert single.layer == 2
    x, y = drift_of(settings, run_id, METHOD, trait, 2)
    assert single.baseline.value == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_saved_vectors_are_rows_of_their_own(settings, run_id):
    trait = method_grid(settings, run_id, "default").traits[1]
    save_vector(settings, "unit", run_id, trait, "default", 2, Pipeline(row_scaling="unit"))
    grid = method_grid(settings, run_id, "default", 2)
    row = grid.rows[-1]
    assert (row.name, row.saved) == ("saved:unit", True)
    same = grid.cells["unit_rows", trait]
    mine = grid.cells["saved:unit", trait]
    assert mine.correlation.value == pytest.approx(same.correlation.value)
    assert (mine.bootstrap.low, mine.bootstrap.high) == pytest.approx(
        (same.bootstrap.low, same.bootstrap.high)
    )
    assert mine.held_out.value is None and "made on these scores" in mine.held_out.reason
    comparison = method_comparison(settings, run_id, "default", 2)
    assert ("saved:unit", trait) in comparison.saved
    assert "saved:unit" not in comparison.overall
    choice = method_choice(settings, run_id, trait, "default", 2)
    assert not choice.method.startswith("saved:")


def test_without_scores_everything_says_why(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare")
    grid = method_grid(settings, "bare", "default")
    cell = grid.cells[METHOD, "haste"]
    assert (cell.layer, cell.correlation.value) == (None, None) and cell.correlation.reason
    assert method_comparison(settings, "bare", "default").tests() == 0
    choice = method_choice(settings, "bare", "haste", "default")
    assert choice.method is None and choice.held_out.value is None and choice.held_out.reason


def test_the_curve_ends_at_the_vector_of_all_prompts(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=20, prompts=5), tiny_llama, "run")
    curve = subsampling(settings, "run", "haste", "default", 2)
    assert curve.prompts == (5, 5) and [s.size for s in curve.sizes] == [5]
    assert curve.sizes[0].cosine == pytest.approx((1.0, 1.0, 1.0))
    x, y = drift_of(settings, "run", METHOD, "haste", 2)
    assert curve.whole.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert curve.sizes[0].r[0] == pytest.approx(curve.whole.value)
    assert subsampling(settings, "run", "haste", "default", 9).whole.reason

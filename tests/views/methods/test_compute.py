"""The methods' grid, comparison and curve equal what numpy and scipy make of the run's tables."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest
from scipy import stats

from backend.core.estimate import CROSS_FITTED, Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS
from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.store.run import NOT_COMPUTED, run_path
from backend.views.diagnosis.compute import cell_evidence
from backend.views.methods.comparison import method_choice, method_comparison
from backend.views.methods.compute import LEFT_OUT
from backend.views.methods.differences import differences_on_traits
from backend.views.methods.subsampling import subsample_curve
from backend.views.methods.tables import method_rows
from backend.views.methods.words import missing_caption, overall_answer
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def run_id(settings):
    return publish_small_phantom(settings)[1][0]


def compared(settings, run_id, layer=None):
    """Every method of a run's default prompts."""
    return results(settings).with_saved(method_comparison, [run_id], "default", layer)


def told_apart(settings, run_id, layer=None):
    """Every method of a run against the mean difference, trait by trait."""
    return results(settings).with_saved(differences_on_traits, [run_id], "default", layer)


def grid_of(settings, run_id, layer=None):
    """Every method on every trait."""
    return compared(settings, run_id, layer).grid


def choice_of(settings, run_id, trait, layer=None):
    """What choosing a method for a trait is worth."""
    return results(settings).of_run(method_choice, run_id, trait, "default", layer)


def curve_of(settings, run_id, trait, layer):
    """Vectors of a trait from fewer prompts."""
    return results(settings).of_run(subsample_curve, run_id, trait, "default", layer)


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
    grid = grid_of(settings, run_id)
    assert [row.name for row in grid.rows] == [method.name for method in METHODS]
    missing = {row.name: row.missing for row in grid.rows if row.missing}
    assert set(missing) == {"logistic_5_3", "logistic_4_2", "logistic_any"}
    # Simulated runs go without them, so that deriving again would add none.
    assert set(missing.values()) == {LEFT_OUT}
    assert not any(method in missing for method, _ in grid.results)
    assert {row.name for row in grid.rows if row.fitted} >= {"ridge_drift"}


def test_r_and_intervals_are_those_of_the_projections(settings, run_id):
    best = grid_of(settings, run_id)
    drifts = all_drifts(settings, run_id)
    for layer in (None, 2):
        grid = grid_of(settings, run_id, layer)
        for (method, trait), result in grid.results.items():
            if result.correlation.value is None:
                assert result.correlation.reason
                continue
            assert layer in (None, result.layer)
            x, y = drifts[method, trait, result.layer]
            found = stats.pearsonr(x, y)
            assert result.correlation.value == pytest.approx(found.statistic)
            low, high = found.confidence_interval()
            assert (result.correlation.low, result.correlation.high) == pytest.approx((low, high))
            if layer is None:
                assert 1 <= result.of_layers <= 3 and result.held_out.value is not None
                chosen = result.of_layers > 1
                assert result.selection_free_r().value == (
                    result.held_out.value if chosen else result.correlation.value
                )
            else:
                assert result.selection_free_r().value == result.correlation.value
                assert (
                    result.correlation.value
                    <= best.results[method, trait].correlation.value + 1e-12
                )


def test_differences_are_of_dependent_correlations(settings, run_id):
    apart = told_apart(settings, run_id, 1)
    trait = next(trait for method, trait in apart.methods if method == "lda")
    x, y = drift_of(settings, run_id, "lda", trait, 1)
    base, _ = drift_of(settings, run_id, MEAN_DIFFERENCE, trait, 1)
    r = np.corrcoef([y, x, base])
    found = apart.methods["lda", trait]
    assert found.difference.value == pytest.approx(r[0, 1] - r[0, 2])
    assert found.between == pytest.approx(r[1, 2])
    ps = [f.difference.p for f in apart.methods.values() if f.difference.p is not None]
    assert apart.tests() == len(ps)
    expected = stats.false_discovery_control(ps)
    adjusted = [f.adjusted_p for f in apart.methods.values() if f.adjusted_p is not None]
    assert adjusted == pytest.approx(list(expected))


def test_without_a_layer_differences_are_those_that_the_diagnosis_measures(settings, run_id):
    """Layers are chosen on one half of the scenarios and compared on the other."""
    apart = told_apart(settings, run_id)
    assert apart.methods
    for trait in grid_of(settings, run_id).traits:
        evidence = results(settings).of_run(
            cell_evidence, run_id, trait, "default", 1, settings.thresholds, layer_given=False
        )
        for method in ("lda", "unit_rows", "ridge_drift"):
            found = apart.methods[method, trait].difference
            assert found == evidence.trial([method]).gain or evidence.reversed
            assert found.interval_method == CROSS_FITTED or found.value == 0


def test_over_traits_uses_r_without_the_choice_of_layer(settings, run_id):
    grid = grid_of(settings, run_id)
    overall = compared(settings, run_id).overall
    z = [
        np.arctanh(grid.results["lda", t].held_out.value)
        - np.arctanh(grid.results[MEAN_DIFFERENCE, t].held_out.value)
        for t in grid.traits
    ]
    test = stats.ttest_1samp(z, 0)
    assert overall["lda"].z.value == pytest.approx(np.mean(z))
    assert overall["lda"].z.p == pytest.approx(test.pvalue)
    assert overall["lda"].won == sum(value > 0 for value in z)
    assert MEAN_DIFFERENCE not in overall and "logistic_any" not in overall


def test_the_choice_is_measured_where_it_was_not_made(settings, run_id):
    grid = grid_of(settings, run_id)
    trait = grid.traits[0]
    found = choice_of(settings, run_id, trait)
    highest = max(
        result.correlation.value
        for (_, t), result in grid.results.items()
        if t == trait and result.correlation.value is not None
    )
    assert found.highest.value == highest
    assert found.held_out.value < highest
    with reading_run(settings, run_id) as connection:
        stored = connection.execute(
            "SELECT held_out_r, held_out_low FROM best_layers WHERE method = ? AND trait = ?",
            [MEAN_DIFFERENCE, trait],
        ).fetchall()[0]
        vectors = connection.execute(
            "SELECT count(DISTINCT (method, layer)) FROM projections WHERE trait = ?", [trait]
        ).fetchall()[0][0]
    assert (found.baseline.value, found.baseline.low) == pytest.approx(stored)
    assert found.candidates == vectors
    single = choice_of(settings, run_id, trait, 2)
    assert single.layer == 2
    x, y = drift_of(settings, run_id, MEAN_DIFFERENCE, trait, 2)
    assert single.baseline.value == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_saved_vectors_are_rows_of_their_own(settings, run_id):
    trait = grid_of(settings, run_id).traits[1]
    save_vector(settings, "unit", run_id, trait, "default", 2, Pipeline(row_scaling="unit"))
    grid = grid_of(settings, run_id, 2)
    row = grid.rows[-1]
    assert (row.name, row.saved) == ("saved:unit", True)
    same = grid.results["unit_rows", trait]
    mine = grid.results["saved:unit", trait]
    assert mine.correlation.value == pytest.approx(same.correlation.value)
    assert (mine.bootstrap.low, mine.bootstrap.high) == pytest.approx(
        (same.bootstrap.low, same.bootstrap.high)
    )
    assert mine.held_out.value is None and "made on these scores" in mine.held_out.reason
    comparison = compared(settings, run_id, 2)
    assert ("saved:unit", trait) in told_apart(settings, run_id, 2).named
    assert "saved:unit" not in comparison.overall
    choice = choice_of(settings, run_id, trait, 2)
    assert not choice.method.startswith("saved:")


def test_why_nothing_is_compared_over_traits_is_said(settings, run_id):
    comparison = compared(settings, run_id)
    lone = dataclasses.replace(
        comparison.overall["lda"], z=Estimate.undefined(1, "a paired comparison needs 2 pairs")
    )
    said = overall_answer(dataclasses.replace(comparison, overall={"lda": lone}))
    assert said.endswith("that takes 2 traits on which both have r, and there is 1.")
    assert overall_answer(dataclasses.replace(comparison, overall={})).endswith("there are 0.")


def test_without_scores_everything_says_why(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare")
    grid = grid_of(settings, "bare")
    result = grid.results[MEAN_DIFFERENCE, "haste"]
    assert (result.layer, result.correlation.value) == (None, None) and result.correlation.reason
    assert told_apart(settings, "bare").tests() == 0
    choice = choice_of(settings, "bare", "haste")
    assert choice.method is None and choice.held_out.value is None and choice.held_out.reason


def test_the_curve_ends_at_the_vector_of_all_prompts(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=20, prompts=5), tiny_llama, "run")
    curve = curve_of(settings, "run", "haste", 2)
    assert curve.prompts == (5, 5) and [s.size for s in curve.sizes] == [5]
    assert curve.sizes[0].cosine == pytest.approx((1.0, 1.0, 1.0))
    x, y = drift_of(settings, "run", MEAN_DIFFERENCE, "haste", 2)
    assert curve.whole.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert curve.sizes[0].r[0] == pytest.approx(curve.whole.value)
    assert curve_of(settings, "run", "haste", 9).whole.reason


def test_a_run_without_a_registered_method_says_how_to_get_it(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=20), tiny_llama, "older", (1,))
    with duckdb.connect(str(run_path(settings, "older"))) as connection:
        for table in ("correlations", "best_layers", "vectors", "projections"):
            connection.execute(f"DELETE FROM {table} WHERE method = 'lda'")
    comparison = compared(settings, "older")
    row = next(row for row in comparison.grid.rows if row.name == "lda")
    assert row.missing == NOT_COMPUTED and "lda" not in comparison.overall
    table = {
        line["method"]: line
        for line in method_rows(comparison.grid, told_apart(settings, "older"), "haste")
    }
    assert table["Shrunk LDA"]["r (Fisher)"] == NOT_COMPUTED
    assert "Shrunk LDA. Derive the run again" in missing_caption(comparison.grid)
    assert table["Unit-norm rows"]["r (Fisher)"] != NOT_COMPUTED


def test_each_saved_vector_belongs_to_its_run_and_prompt_set(settings):
    _, run_ids = publish_small_phantom(settings)
    trait = grid_of(settings, run_ids[0]).traits[0]
    save_vector(settings, "mine", run_ids[0], trait, "default", 1, Pipeline())
    assert [row.title for row in grid_of(settings, run_ids[0]).rows if row.saved] == ["mine"]
    assert not any(row.saved for row in grid_of(settings, run_ids[1]).rows)

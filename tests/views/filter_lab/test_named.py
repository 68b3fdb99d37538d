"""A saved or imported vector beside the lab's: r and cosine are those taken by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.vectors.pipeline import Pipeline
from backend.runs.imported_vectors import VectorChoice, keep_vectors, understand_vectors
from backend.runs.saved_vectors import save_vector
from backend.store.connection import matrix_of
from backend.views.filter_lab.named import beside, named_choices, named_r
from backend.views.filter_lab.tables import beside_table
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

LAYER = 2
PLACE = ("haste", "default", LAYER)
UNIT = Pipeline(row_scaling="unit")


@pytest.fixture
def store(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(scenarios=20), tiny_llama, "run-1")
    table = np.random.default_rng(8).normal(size=(1, 64))
    np.savez(tmp_path / "mine.npz", table)
    choice = VectorChoice(name="mine", trait="haste", numbering="from-1", numbers=(LAYER,))
    keep_vectors(settings, understand_vectors(settings, tmp_path / "mine.npz", choice))
    save_vector(settings, "unit", "run-1", "haste", "default", LAYER, UNIT)
    save_vector(settings, "first", "run-1", "haste", "default", 1, Pipeline())
    save_vector(settings, "other", "run-1", "warmth", "default", LAYER, Pipeline())
    return settings, table[0]


def by_hand(settings, v):
    """The drift along a vector, the behaviour, and the plain and unit-row mean differences."""
    with reading_run(settings, "run-1") as run:
        acts = matrix_of(
            run,
            "SELECT activation FROM response_activations WHERE layer = 2 ORDER BY response_id",
            [],
        ).astype(np.float64)
        prompts = matrix_of(
            run,
            "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE layer = 2 AND trait = 'haste' ORDER BY prompt_id",
            [],
        ).astype(np.float64)
        first, last, y = np.array(
            run.execute(
                "SELECT first_response, last_response, value FROM behaviours"
                " WHERE trait = 'haste' ORDER BY case_id"
            ).fetchall()
        ).T
    along = acts @ v
    unit = prompts / np.linalg.norm(prompts, axis=1, keepdims=True)
    means = [p[:5].mean(0) - p[5:].mean(0) for p in (prompts, unit)]
    return along[last.astype(int)] - along[first.astype(int)], y, *means


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_r_difference_and_cosine_of_an_imported_vector(store):
    settings, v = store
    x, y, plain, unit = by_hand(settings, v)
    r = stats.pearsonr(x, y)
    name, shown = results(settings).with_saved(named_r, ["run-1"], "imported:mine", LAYER)
    assert name == "mine" and shown.value == pytest.approx(r.statistic)
    assert (shown.low, shown.high) == pytest.approx(tuple(r.confidence_interval()))
    for pipeline, own in ((Pipeline(), plain), (UNIT, unit)):
        found = results(settings).with_saved(beside, ["run-1"], "imported:mine", PLACE, pipeline)
        assert found.cosine == pytest.approx(cosine(own, v), abs=1e-6)
        lab = stats.pearsonr(by_hand(settings, own)[0], y).statistic
        assert found.r.value == pytest.approx(r.statistic)
        assert found.r.low < found.r.value < found.r.high
        assert found.difference.value == pytest.approx(lab - r.statistic, abs=1e-6)


@pytest.mark.parametrize("metric", ["identity", "standardised", "lda"])
def test_the_vector_that_the_settings_make_is_the_saved_one(store, metric):
    settings, _ = store
    pipeline = Pipeline(row_scaling="unit", metric=metric)
    save_vector(settings, "same", "run-1", "haste", "default", LAYER, pipeline)
    found = results(settings).with_saved(beside, ["run-1"], "saved:same", PLACE, pipeline)
    assert found.cosine == pytest.approx(1, abs=1e-9)
    assert found.difference.value == 0


def test_what_is_offered_and_what_does_not_fit(store):
    settings, _ = store
    offered = results(settings).with_saved(named_choices, ["run-1"], "haste")
    assert offered == {
        "saved:unit": "unit (saved, layer 2)",
        "saved:first": "first (saved, layer 1)",
        "imported:mine": "mine (imported)",
    }
    for key, place, why in (
        ("saved:first", PLACE, "it is a vector of layer 1"),
        ("imported:mine", ("haste", "default", 1), "the file has no vector of layer 1"),
    ):
        found = results(settings).with_saved(beside, ["run-1"], key, place, Pipeline())
        assert (found.cosine, found.no_cosine) == (None, why)
        assert found.r.value is None and found.r.reason == why
        assert why in beside_table(found, found.name)
        _, r = results(settings).with_saved(named_r, ["run-1"], key, place[2])
        assert r.value is None and r.reason == why


def test_a_refused_setting_leaves_r_of_the_named_vector(store):
    settings, _ = store
    refused = Pipeline(filter_reference="mean", threshold=1.0)
    found = results(settings).with_saved(beside, ["run-1"], "imported:mine", PLACE, refused)
    assert found.r.value is not None and found.cosine is None
    assert found.difference.reason == found.no_cosine and found.no_cosine

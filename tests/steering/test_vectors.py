"""Which vector steers, on which model, and what strengths mean, by hand from what a run stores."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.errors import RunNotFound, SteeringError
from backend.runs.imported_vectors import VectorChoice, keep_vectors, understand_vectors
from backend.runs.saved_vectors import save_vector
from backend.steering.units import UNITS, units_of
from backend.steering.vectors import VectorSource, find_vector
from backend.store.connection import matrix_of
from backend.store.run import delete_run, open_run
from backend.store.run_values import RunSummary
from tests.support.raw import reading_run
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return settings


def stored(settings, trait="haste", method="mean_difference", layer=2):
    with reading_run(settings, "run-1") as connection:
        return matrix_of(
            connection,
            "SELECT vector FROM vectors WHERE method = ? AND trait = ? AND layer = ?",
            [method, trait, layer],
        ).astype(np.float64)[0]


def by_hand(settings, vector, trait="haste", layer=2):
    """Mean projection of each pole, and the mean norm of all texts."""
    unit = vector / np.linalg.norm(vector)
    with reading_run(settings, "run-1") as connection:
        ends = [
            (
                matrix_of(
                    connection,
                    "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
                    " WHERE layer = ? AND trait = ? AND pole = ?",
                    [layer, trait, pole],
                )
                @ unit
            ).mean()
            for pole in ("low", "high")
        ]
        texts = [
            matrix_of(connection, f"SELECT activation FROM {kind}_activations WHERE layer = ?", [2])
            for kind in ("prompt", "response")
        ]
    return (*ends, np.linalg.norm(np.concatenate(texts), axis=1).mean())


def test_strengths_are_counted_in_what_the_run_stores(store):
    found = find_vector(store, VectorSource("run-1", "haste", layer=2))
    vector = stored(store)
    np.testing.assert_array_equal(found.vector, vector)
    assert (found.layer, found.trait) == (2, "haste")
    units, length = found.units, np.linalg.norm(vector)
    low, high, norm = by_hand(store, vector)
    np.testing.assert_allclose([units.low.value, units.high.value], [low, high], rtol=1e-6)
    np.testing.assert_allclose(units.norm.value, norm, rtol=1e-6)
    np.testing.assert_allclose(units.multiples(1.5, "poles"), 1.5 * (high - low) / length)
    np.testing.assert_allclose(units.multiples(-0.1, "norm"), -0.1 * norm / length, rtol=1e-6)
    assert units.multiples(3.0, "vector") == 3.0
    # A mean difference is as long as its poles are apart.
    np.testing.assert_allclose(units.poles.value, length, rtol=1e-5)
    with open_run(store, "run-1") as run:
        assert found.model == run.record.model and found.weights_hash == run.record.weights_hash


def test_what_a_run_cannot_say_is_undefined_with_its_reason(store):
    vector = stored(store)
    with open_run(store, "run-1") as run:
        cases = {
            "is of a model of another width": units_of(run, "haste", "default", 2, vector[:9]),
            "layer 3 was not extracted": units_of(run, "haste", "default", 3, vector),
            "no prompts of joy": units_of(run, "joy", "default", 2, vector),
            "do not lie above": units_of(run, "haste", "default", 2, -vector),
            "no run says": units_of(None, "haste", "default", 2, vector),
        }
    for reason, units in cases.items():
        assert reason in (units.poles.reason or "")
        with pytest.raises(SteeringError, match=reason):
            units.multiples(1.0, "poles")
        assert units.multiples(2.0, "vector") == 2.0
    assert cases["no prompts of joy"].norm.value == cases["do not lie above"].norm.value
    assert cases["no prompts of joy"].norm.value > 0
    assert {"vector", "poles", "norm"} == set(UNITS)


def test_without_a_layer_it_is_the_best_one(store):
    with open_run(store, "run-1") as run:
        (best,) = [row.layer for row in run.best_layers("mean_difference") if row.trait == "warmth"]
    assert find_vector(store, VectorSource("run-1", "warmth")).layer == best


def test_a_saved_vector_steers_the_model_of_its_run(store):
    saved = save_vector(store, "mine", "run-1", "haste", "default", 1, Pipeline())
    found = find_vector(store, VectorSource(name="mine"))
    np.testing.assert_array_equal(found.vector, saved.vector)
    assert (found.layer, found.units.poles.value is not None) == (1, True)
    with pytest.raises(SteeringError, match="of layer 1, not 2"):
        find_vector(store, VectorSource(name="mine", layer=2))
    delete_run(store, "run-1")
    with pytest.raises(RunNotFound):
        find_vector(store, VectorSource(name="mine"))
    alone = find_vector(store, VectorSource(name="mine", model="elsewhere"))
    assert (alone.model, alone.units.norm.value) == ("elsewhere", None)


def test_an_imported_vector_needs_a_run_or_a_model(store, tmp_path):
    table = np.random.default_rng(3).normal(size=(3, 64))
    np.savez(tmp_path / "file.npz", table)
    choice = VectorChoice("theirs", "haste", "from-1", (1, 2, 3))
    keep_vectors(store, understand_vectors(store, tmp_path / "file.npz", choice))
    found = find_vector(store, VectorSource("run-1", name="theirs", layer=2))
    np.testing.assert_allclose(found.vector, table[1])
    np.testing.assert_allclose(found.units.norm.value, by_hand(store, table[1])[2], rtol=1e-6)
    # A layer that the run has not extracted can be steered all the same.
    assert find_vector(store, VectorSource("run-1", name="theirs", layer=3)).units.length > 0
    assert find_vector(store, VectorSource("run-1", name="theirs")).layer in (1, 2)
    with pytest.raises(SteeringError, match="no vector of layer 0"):
        find_vector(store, VectorSource("run-1", name="theirs", layer=0))
    with pytest.raises(SteeringError, match="no model is named"):
        find_vector(store, VectorSource(name="theirs"))
    assert find_vector(store, VectorSource(name="theirs", model="gpt2")).layer == 2


def test_what_is_not_there_is_refused(store):
    for source, fault in (
        (VectorSource("run-1", "joy"), "no trait 'joy'"),
        (VectorSource("run-1", "haste", method="magic"), "no method 'magic'"),
        (VectorSource("run-1", "haste", prompt_set="none"), "no prompt set"),
        (VectorSource("run-1", "haste", layer=3), "at layer 3"),
        (VectorSource(name="nobody"), "No vector is called 'nobody'"),
    ):
        with pytest.raises(SteeringError, match=fault):
            find_vector(store, source)


def test_a_run_without_a_model_steers_none(store, monkeypatch):
    monkeypatch.setattr(RunSummary, "has_model", False)
    with pytest.raises(SteeringError, match="no model to steer"):
        find_vector(store, VectorSource("run-1", "haste"))
    assert find_vector(store, VectorSource("run-1", "haste", model="gpt2")).model == "gpt2"

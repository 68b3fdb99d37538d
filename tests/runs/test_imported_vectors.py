"""An imported vector is scored as the vectors of a run are, and says where it does not fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.core.vectors.pipeline import Pipeline
from backend.errors import ImportFault, ReadOnly, StoreError
from backend.runs.imported_vectors import (
    VectorChoice,
    correlations,
    imported_list,
    keep_vectors,
    named_vectors,
    on_run,
    understand_upload,
    understand_vectors,
)
from backend.runs.saved_vectors import save_vector
from backend.runs.upkeep import check_store
from backend.store.connection import matrix_of
from backend.store.imported_vector import read_imported
from backend.store.run import open_run
from backend.views.methods.comparison import method_comparison
from backend.views.methods.differences import differences_on_traits
from backend.views.methods.tables import method_rows
from backend.views.transfer.compute import transfer_view
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

LAYERS = (1, 2, 3)


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", LAYERS)
    return settings


def own_vectors(settings, method="mean_difference", trait="haste"):
    """The run's stored vectors of a trait at its layers, [3, d], float64, by plain SQL."""
    with reading_run(settings, "run-1") as connection:
        return matrix_of(
            connection,
            "SELECT vector FROM vectors WHERE method = ? AND trait = ? ORDER BY layer",
            [method, trait],
        )


def responses(settings, layer):
    with reading_run(settings, "run-1") as connection:
        return matrix_of(
            connection,
            "SELECT activation FROM response_activations WHERE layer = ? ORDER BY response_id",
            [layer],
        ).astype(np.float64)


def imported(settings, folder, table, **choice):
    """Import a table of layers 1, 2, ... as a file of its own."""
    path = folder / f"{choice['name']}.npz"
    np.savez(path, table)
    numbers = choice.pop("numbers", tuple(range(1, len(table) + 1)))
    asked = VectorChoice(**({"trait": "haste", "numbering": "from-1", "numbers": numbers} | choice))
    keep_vectors(settings, understand_vectors(settings, path, asked))
    return read_imported(settings, choice["name"])


def compared(settings, layer=None):
    return results(settings).with_saved(method_comparison, ["run-1"], "default", layer)


def test_r_is_that_of_the_projections_taken_by_hand(store, tmp_path):
    table = np.random.default_rng(3).normal(size=(3, 64))
    vector = imported(store, tmp_path, table, name="random")
    assert np.array_equal(vector.vectors, table) and vector.layers == LAYERS
    with open_run(store, "run-1") as run:
        scored = run.scored_cases("haste")
        rs = correlations(on_run(run, vector))
    assert tuple(rs) == LAYERS
    for layer, v in zip(LAYERS, table, strict=True):
        projections = responses(store, layer) @ (v / np.linalg.norm(v))
        drift = projections[scored.last_response] - projections[scored.first_response]
        expected = stats.pearsonr(drift, scored.behaviour)
        assert rs[layer].value == pytest.approx(expected.statistic, abs=1e-12)
        assert rs[layer].p == pytest.approx(expected.pvalue, abs=1e-12)
        low, high = expected.confidence_interval()
        assert (rs[layer].low, rs[layer].high) == pytest.approx((low, high), abs=1e-9)


def test_ones_own_vector_comes_back_with_every_number_of_its_method(store, tmp_path):
    imported(store, tmp_path, own_vectors(store), name="mine")
    for layer in (None, 2):
        found = compared(store, layer).grid
        mine, own = (
            found.results["imported:mine", "haste"],
            found.results["mean_difference", "haste"],
        )
        assert (mine.layer, mine.of_layers) == (own.layer, own.of_layers)
        for part in ("correlation", "bootstrap", "held_out"):
            one, other = getattr(mine, part), getattr(own, part)
            assert (one.n, one.reason) == (other.n, other.reason)
            for name in ("value", "low", "high", "p"):
                a, b = getattr(one, name), getattr(other, name)
                assert a == (b if b is None else pytest.approx(b, abs=1e-9)), (part, name)
    row = found.rows[-1]
    assert (row.title, row.saved) == ("mine", True) and "imported from mine.npz" in row.source
    apart = results(store).with_saved(differences_on_traits, ["run-1"], "default")
    table = {line["method"]: line for line in method_rows(compared(store).grid, apart, "haste")}
    assert "imported from mine.npz" in table["mine\u00a0‡"]["source"]
    assert ("imported:mine", "haste") in apart.named


def test_what_does_not_fit_is_undefined_with_its_reason(store, tmp_path):
    wrong = np.random.default_rng(0).normal(size=(3, 65))
    right = wrong[:, :64]
    imported(store, tmp_path, wrong, name="wide")
    imported(store, tmp_path, right[:1], name="deep", numbers=(40,))
    np.savez(tmp_path / "five.npz", np.random.default_rng(1).normal(size=(6, 64)))
    asked = VectorChoice(trait="haste", numbering="from-1")
    keep_vectors(store, understand_vectors(store, tmp_path / "five.npz", asked))
    imported(store, tmp_path, right[:1], name="last", numbers=(3,), numbering="hidden-states")
    grid = compared(store).grid
    reasons = {
        row.title: grid.results[row.name, "haste"].correlation for row in grid.rows if row.saved
    }
    for name, said in {
        "wide": "the vector has 65 numbers, and activations of this model 64",
        "deep": "its layer was not extracted in this run",
        "five": "the vector is of a model of 5 blocks, and this one has 3",
        "last": "after the final norm",
    }.items():
        assert reasons[name].value is None and said in reasons[name].reason, name
    at = compared(store, 1).grid.results["imported:deep", "haste"]
    assert at.correlation.reason == "the file has no vector of layer 1"


def test_it_is_a_further_source_of_transfer_on_every_run(store, tmp_path, tiny_folders):
    publish_run(store, small_study(), tiny_folders["qwen2"], "run-2", (1, 2))
    table = np.random.default_rng(5).normal(size=(1, 64))
    vector = imported(store, tmp_path, table, name="ours", numbers=(2,))
    view = results(store).with_saved(transfer_view, ["run-1", "run-2"], ("haste",), "default", 2)
    sources = dict.fromkeys(f.activation_model for f in view.saved)
    assert len(sources) == 2 and all("ours (imported," in name for name in sources)
    with open_run(store, "run-1") as run:
        (r,) = correlations(on_run(run, vector)).values()
    crossed = next(f for f in view.saved if f.activation_model.endswith(f"{view.models[0]})"))
    assert crossed.behaviour_model == view.models[0]
    assert crossed.cross_r.value == pytest.approx(r.value)
    other = results(store).with_saved(transfer_view, ["run-1", "run-2"], ("haste",), "default", 1)
    assert all("no vector of layer 1" in f.cross_r.reason for f in other.saved)


def test_what_is_kept_is_read_back_and_never_replaced(store, tmp_path):
    first = imported(store, tmp_path, own_vectors(store), name="mine")
    assert (first.file, first.numbering, first.file_kind) == ("mine.npz", "from-1", "npz")
    with pytest.raises(StoreError, match="called 'mine' already"):
        imported(store, tmp_path, own_vectors(store), name="mine")
    with pytest.raises(StoreError, match="called 'mine' already"):
        save_vector(store, "mine", "run-1", "haste", "default", 2, Pipeline())
    save_vector(store, "saved", "run-1", "haste", "default", 2, Pipeline())
    assert [vector.name for vector in named_vectors(store)] == ["saved", "mine"]
    (store.imported_vectors / "bad.duckdb").write_text("junk")
    vectors, broken = imported_list(store)
    assert [v.name for v in vectors] == ["mine"] and "cannot be read" in broken["bad.duckdb"]
    checked = {one.path.name: one.why for one in check_store(store)}
    assert checked["mine.duckdb"] is None and "cannot be read" in checked["bad.duckdb"]
    assert list(store.work.iterdir()) == []


def test_refused_files_keep_nothing(store, tmp_path):
    content = (tmp_path / "t.npz", own_vectors(store))
    np.savez(*content)
    raw = content[0].read_bytes()
    with pytest.raises(ImportFault, match="does not say which trait"):
        understand_upload(store, "t.npz", raw, VectorChoice(numbering="from-1"))
    with pytest.raises(ImportFault, match="numbers layers"):
        understand_upload(store, "t.npz", raw, VectorChoice(trait="haste"))
    with pytest.raises(StoreError, match="cannot name a vector"):
        understand_upload(
            store, "t.npz", raw, VectorChoice(name="A b", trait="haste", numbering="from-1")
        )
    found = understand_upload(
        store, "../../x/t.npz", raw, VectorChoice(trait="haste", numbering="from-1")
    )
    assert [v.name for v in found.vectors] == ["t"]
    with pytest.raises(ReadOnly):
        keep_vectors(dataclasses.replace(store, read_only=True), found)
    assert imported_list(store) == ((), {})

"""Exported vectors are the stored ones bit for bit, and steer a model as the documentation says."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import duckdb
import gguf
import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.core.vectors.pipeline import Pipeline
from backend.errors import ExportError
from backend.exports.snippet import must_name_model, snippet
from backend.exports.vector_description import vector_rows
from backend.exports.vector_files import (
    ARCHITECTURES,
    expected_bytes,
    file_name,
    gguf_layers,
    write_gguf,
    write_persona_pt,
    write_safetensors,
)
from backend.exports.vectors import BEST, Choice, method_titles, read_saved, read_vectors
from backend.runs.saved_vectors import save_vector
from backend.runs.vector_files import read_vector_file
from backend.store.catalog import run_summary
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import cells, results
from tests.support.runs import publish_run
from tests.support.studies import small_study

LAYERS = (1, 2, 3)


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", LAYERS)
    return settings


def stored(settings, run_id="run-1"):
    """(trait, method, layer) -> the stored vector as float32, read without our code."""
    with duckdb.connect(str(settings.runs / f"{run_id}.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT trait, method, layer, vector FROM vectors").fetchall()
    return {tuple(row[:3]): np.array(row[3], np.float64).astype(np.float32) for row in rows}


def chosen(settings, run_id, *choice, **named):
    """Vectors of a run, as the page and the command get them."""
    return results(settings).of_run(read_vectors, run_id, Choice(*choice, **named))


def test_safetensors_hold_every_stored_vector_bit_for_bit(store, tmp_path):
    found = chosen(store, "run-1", (), (), layers=())
    path = tmp_path / "all.safetensors"
    write_safetensors(found, path)
    expected = stored(store)
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["vectors"])
        assert set(file.keys()) == set(about)
        for name in file.keys():  # noqa: SIM118
            known = about[name]
            tensor = file.get_tensor(name)
            assert tensor.dtype == np.float32
            key = known["trait"], known["method"], known["layer"]
            assert tensor.tobytes() == expected.pop(key).tobytes()
    assert expected == {}
    assert abs(path.stat().st_size - expected_bytes(found)) < 0.3 * path.stat().st_size


def test_the_head_says_where_a_vector_comes_from(store, tmp_path):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(2,))
    path = tmp_path / "one.safetensors"
    write_safetensors(found, path)
    record = run_summary(store, "run-1").record
    with safe_open(path, "np") as file:
        head = file.metadata()
    assert head["weights_hash"] == record.weights_hash
    assert head["study_hash"] == record.study_hash and head["pooling"] == "mean"
    assert head["sign"].startswith("high minus low") and "not normalised" in head["scale"]
    (known,) = json.loads(head["vectors"]).values()
    cell = next(c for c in cells(store, "run-1", "haste") if c.key.layer == 2)
    c = cell.correlation
    assert (known["r"], known["r_low"], known["r_high"], known["n"]) == (
        c.value,
        c.low,
        c.high,
        c.n,
    )
    assert known["pipeline"]["centre"] == "mean" and known["fitted_on_responses"] is False
    assert known["norm"] == pytest.approx(cell.metrics["separation"].value, rel=1e-6)
    (row,) = vector_rows(found)
    assert row["r"] == f"{c.value:+.3f}" and row["n"] == c.n


def test_gguf_is_a_control_vector_bit_for_bit(store, tmp_path):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(2, 3))
    path = tmp_path / "haste.gguf"
    write_gguf(found, path)
    reader = gguf.GGUFReader(path)
    head = {key: field.contents() for key, field in reader.fields.items()}
    assert head["general.architecture"] == "controlvector"
    assert head["controlvector.model_hint"] == "llama"
    assert head["controlvector.layer_count"] == 2
    assert head["steerscope.run"] == "run-1"
    assert {t.name for t in reader.tensors} == {"direction.1", "direction.2"}
    expected = stored(store)
    for tensor in reader.tensors:
        layer = int(tensor.name.split(".")[1]) + 1
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32 and len(tensor.shape) == 1
        assert tensor.data.tobytes() == expected["haste", "mean_difference", layer].tobytes()
        assert json.loads(head["steerscope.vectors"])[tensor.name]["layer"] == layer


def test_several_control_vectors_go_into_a_zip(store, tmp_path):
    found = chosen(store, "run-1", (), ("mean_difference",), layers=(2,))
    with pytest.raises(ExportError, match="2 pairs of trait and method"):
        write_gguf(found, tmp_path / "all.gguf")
    name = file_name(found, "gguf")
    assert name == "run-1.2-traits.mean_difference.gguf.zip"
    write_gguf(found, tmp_path / name)
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            "warmth.mean_difference.gguf",
            "haste.mean_difference.gguf",
        }
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".gguf"] == []


def test_what_llama_cpp_cannot_use_is_refused(store, settings, tmp_path):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(1, 2))
    with pytest.raises(ExportError, match="cannot add a vector at layer 1") as fault:
        write_gguf(found, tmp_path / "x.gguf")
    assert "layers 2 to 3" in fault.value.expected
    assert gguf_layers((0, 1, 2, 3)) == (2, 3)
    _, run_ids = publish_small_phantom(settings)
    simulated = chosen(settings, run_ids[0], (), ("mean_difference",))
    with pytest.raises(ExportError, match="simulated"):
        write_gguf(simulated, tmp_path / "x.gguf")
    with pytest.raises(ExportError, match="no model to steer"):
        snippet(simulated, simulated.vectors[0], "v.safetensors")
    assert not (tmp_path / "x.gguf").exists()
    assert set(ARCHITECTURES.values()) <= set(gguf.MODEL_ARCH_NAMES.values())


def test_best_takes_the_layer_the_run_says(settings):
    _, run_ids = publish_small_phantom(settings)
    found = chosen(settings, run_ids[0], (), ("mean_difference",), layers=BEST)
    with duckdb.connect(str(settings.runs / f"{run_ids[0]}.duckdb"), read_only=True) as connection:
        best = dict(
            connection.execute(
                "SELECT trait, layer FROM best_layers WHERE method = 'mean_difference'"
            ).fetchall()
        )
    assert {v.trait: v.layer for v in found.vectors} == best
    assert "mean_difference" in results(settings).of_run(method_titles, run_ids[0])


def test_what_is_missing_is_told(store):
    with pytest.raises(ExportError, match="no layer 9"):
        chosen(store, "run-1", (), (), layers=(2, 9))
    with pytest.raises(ExportError, match="no trait calm") as fault:
        chosen(store, "run-1", ("calm",), ())
    assert "warmth, haste" in fault.value.expected
    found = chosen(store, "run-1", (), (), layers=())
    there = {(v.trait, v.method, v.layer) for v in found.vectors}
    with duckdb.connect(str(store.runs / "run-1.duckdb"), read_only=True) as connection:
        tried = set(connection.execute("SELECT trait, method, layer FROM correlations").fetchall())
    assert {(t, m) for t, m, _ in tried - there} == {
        tuple(sentence.split(" vector")[0].split(" has no ")) for sentence in found.missing
    }


def test_a_saved_vector_is_exported_with_its_pipeline(store, tmp_path):
    pipeline = Pipeline(row_scaling="unit")
    saved = save_vector(store, "mine", "run-1", "haste", "default", 2, pipeline)
    found = read_saved(store, "mine")
    write_safetensors(found, tmp_path / "mine.safetensors")
    with safe_open(tmp_path / "mine.safetensors", "np") as file:
        tensor = file.get_tensor("haste.saved.mine.layer_2")
        (known,) = json.loads(file.metadata()["vectors"]).values()
    assert tensor.tobytes() == saved.vector.astype(np.float32).tobytes()
    assert known["pipeline"]["row_scaling"] == "unit" and known["r"] == saved.correlation.value
    with pytest.raises(ExportError, match="No saved vector is called 'yours'"):
        read_saved(store, "yours")


def steered(folder, block, vector):
    """Hidden states at every layer with the vector added to the output of a block from 0."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    outputs = []

    def add(_, __, output):
        hidden = output[0] if isinstance(output, tuple) else output
        changed = hidden + vector
        outputs.append(changed.detach())
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    model.model.layers[block].register_forward_hook(add)
    with torch.no_grad():
        model(**tokenizer("tell me plainly", return_tensors="pt"))
    return outputs[0][0].double().numpy()


@pytest.mark.parametrize("alpha", [0.5, -2.0])
def test_an_exported_vector_steers_by_alpha_times_its_length(store, tiny_llama, tmp_path, alpha):
    found = chosen(store, "run-1", ("warmth",), ("mean_difference",), layers=(2,))
    write_safetensors(found, tmp_path / "v.safetensors")
    write_gguf(found, tmp_path / "v.gguf")
    with safe_open(tmp_path / "v.safetensors", "pt") as file:
        (name,) = file.keys()
        layer = int(name.rsplit("_", 1)[1])
        v = file.get_tensor(name)
    (tensor,) = gguf.GGUFReader(tmp_path / "v.gguf").tensors
    # Our layer l is the output of block l from 1; llama.cpp adds direction.N after block N from 0.
    block_of_gguf = int(tensor.name.split(".")[1])
    assert block_of_gguf == layer - 1
    unit = v.double().numpy() / np.linalg.norm(v.double().numpy())
    before = steered(tiny_llama, layer - 1, torch.zeros_like(v)) @ unit
    after = steered(tiny_llama, layer - 1, alpha * v) @ unit
    by_gguf = steered(tiny_llama, block_of_gguf, alpha * torch.from_numpy(tensor.data.copy()))
    grown = alpha * float(v.double() @ v.double()) / float(v.double().norm())
    np.testing.assert_allclose(after - before, grown, rtol=1e-5)
    np.testing.assert_allclose(by_gguf @ unit, after, rtol=1e-12)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(tiny_llama)("tell me plainly", return_tensors="pt")
    with torch.no_grad():
        states = model(**tokens, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(states[layer][0].double().numpy() @ unit, before, rtol=1e-6)


def test_persona_tables_hold_row_l_as_layer_l_and_come_back(store, tmp_path):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(1, 3))
    write_persona_pt(found, tmp_path / "haste_response_avg_diff.pt")
    table = torch.load(tmp_path / "haste_response_avg_diff.pt", weights_only=True).numpy()
    expected = stored(store)
    assert table.shape == (4, 64) and table.dtype == np.float32
    for layer in (1, 3):
        assert table[layer].tobytes() == expected["haste", "mean_difference", layer].tobytes()
    assert np.isnan(table[[0, 2]]).all()
    (back,) = read_vector_file(tmp_path / "haste_response_avg_diff.pt", numbering="from-1").vectors
    assert (back.trait, back.layers) == ("haste", (1, 3))
    two = chosen(store, "run-1", (), ("mean_difference",), layers=(1,))
    assert file_name(two, "pt").endswith(".pt.zip")
    write_persona_pt(two, tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        assert archive.namelist() == ["warmth.mean_difference.pt", "haste.mean_difference.pt"]
    with pytest.raises(ExportError, match="2 pairs of trait and method"):
        write_persona_pt(two, tmp_path / "two.pt")


@pytest.mark.parametrize("write", [write_safetensors, write_gguf])
def test_an_exported_file_is_understood_as_it_was_meant(store, tmp_path, write):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(2, 3))
    path = tmp_path / ("v.gguf" if write is write_gguf else "v.safetensors")
    write(found, path)
    file = read_vector_file(path)
    (back,) = file.vectors
    assert (file.numbering, file.depth, back.trait, back.layers) == ("from-1", 3, "haste", (2, 3))
    for v, row in zip(found.vectors, back.vectors, strict=True):
        assert row.astype(np.float32).tobytes() == v.values.tobytes()


@pytest.fixture(scope="module", params=["llama", "gemma"])
def model(request, tiny_folders):
    folder = tiny_folders[request.param]
    tokens = AutoTokenizer.from_pretrained(folder)("tell me plainly", return_tensors="pt")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), tokens


def seen(model, tokens, blocks):
    """What each block gets, and what the last gives, before the final norm; and the logits."""
    states = []
    hooks = [b.register_forward_pre_hook(lambda _, args: states.append(args[0])) for b in blocks]
    last = blocks[-1].register_forward_hook(lambda _, __, out: states.append(_first(out)))
    with torch.no_grad():
        out = model(**tokens, output_hidden_states=True)
    for hook in [*hooks, last]:
        hook.remove()
    return states, out


def _first(output):
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_the_snippet_adds_strength_times_the_vector_and_takes_it_back(
    store, model, tmp_path, layer, capsys
):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(layer or 1,))
    # The run has no embedding; any vector can be added to it.
    found = dataclasses.replace(
        found, vectors=(dataclasses.replace(found.vectors[0], layer=layer),)
    )
    path = tmp_path / "v.safetensors"
    write_safetensors(found, path)
    text = snippet(found, found.vectors[0], str(path))
    made = {"__name__": "snippet"}
    exec(compile(text, "snippet", "exec"), made)
    module, tokens = model
    before, plain = seen(module, tokens, module.model.layers)
    # What the states are without it, by transformers itself; its last one is after the norm.
    for mine, theirs in zip(before[:3], plain.hidden_states[:3], strict=True):
        assert torch.equal(mine, theirs)
    handle = made["steer"](module, -1.5)
    after, steered_out = seen(module, tokens, module.model.layers)
    handle.remove()
    v = torch.from_numpy(found.vectors[0].values)
    assert torch.equal(after[layer], before[layer] + -1.5 * v)
    for earlier in range(layer):
        assert torch.equal(after[earlier], before[earlier])
    assert not torch.equal(steered_out.logits, plain.logits)
    again, restored = seen(module, tokens, module.model.layers)
    assert torch.equal(restored.logits, plain.logits)
    assert all(torch.equal(a, b) for a, b in zip(again, before, strict=True))
    if layer == 2 and module.config.model_type == "llama":
        exec(compile(text, "snippet", "exec"), {"__name__": "__main__"})
        assert capsys.readouterr().out.count("\n") >= 2


def test_the_model_of_a_snippet_is_named_or_that_of_the_run_but_never_guessed(store):
    found = chosen(store, "run-1", ("haste",), ("mean_difference",), layers=(1,))
    vector = found.vectors[0]

    def model_of(given, model):
        text = snippet(given, vector, "v.safetensors", model)
        made = {"__name__": "snippet"}
        exec(compile(text, "snippet", "exec"), made)
        return made["MODEL"], made["REVISION"], "weights were not compared" in text

    record = found.run.record
    assert model_of(found, "") == (record.model, record.model_revision or None, False)
    assert model_of(found, "org/other@abc") == ("org/other", "abc", True)
    assert model_of(found, "/models/mine") == ("/models/mine", None, True)
    elsewhere = dataclasses.replace(
        found,
        run=dataclasses.replace(
            found.run,
            record=dataclasses.replace(record, model_source="imported", model="a@7\nimport os"),
        ),
    )
    assert must_name_model(elsewhere) and not must_name_model(found)
    with pytest.raises(ExportError, match="which one should be loaded is not known"):
        snippet(elsewhere, vector, "v.safetensors")
    assert model_of(elsewhere, "org/one") == ("org/one", None, True)

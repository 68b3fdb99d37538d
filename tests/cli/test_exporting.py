"""The commands that take results away write whole files and say what is wrong."""

from __future__ import annotations

import json

import gguf
import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from backend.cli.main import main
from tests.support.runs import publish_run
from tests.support.studies import small_study

pytestmark = pytest.mark.slow


@pytest.fixture
def run(settings, monkeypatch, tiny_llama, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(), tiny_llama, "run-1")

    def command(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


def test_a_run_and_a_study_are_exported(run, tmp_path):
    folder = tmp_path / "tables"
    status, out, err = run("export", "run-1", "--format", "csv", "--out", folder)
    assert status == 0 and "prompt_activations" in err
    assert {line.rsplit("/", 1)[1] for line in out.split()} == {p.name for p in folder.iterdir()}
    assert len(pd.read_csv(folder / "correlations.csv")) > 0
    status, out, _ = run("export", "run-1", "--out", folder, "--table", "prompt_activations")
    assert status == 0 and len(pd.read_parquet(folder / "prompt_activations.parquet")) == 40
    status, out, _ = run("export", "small", "--out", tmp_path / "study", "--no-activations")
    assert status == 0 and (tmp_path / "study" / "responses.parquet").exists()


def test_vectors_are_exported_in_both_formats(run, tmp_path):
    one = ("--trait", "haste", "--method", "unit_rows", "--layers", "2")
    status, out, _ = run("export-vectors", "run-1", *one, "--out", tmp_path / "v.safetensors")
    assert status == 0 and out.endswith("v.safetensors: 1 vector\n")
    with safe_open(tmp_path / "v.safetensors", "np") as file:
        assert list(file.keys()) == ["haste.unit_rows.layer_2"]
    status, _, _ = run(
        "export-vectors", "run-1", *one, "--format", "gguf", "--out", tmp_path / "v.gguf"
    )
    assert status == 0
    assert [t.name for t in gguf.GGUFReader(tmp_path / "v.gguf").tensors] == ["direction.1"]


def test_what_is_printed_with_snippets_is_a_program(run, tmp_path):
    path = tmp_path / "v.safetensors"
    given = ("--trait", "haste", "--layers", "1-2", "--snippet", "--out", path)
    status, out, err = run("export-vectors", "run-1", *given)
    assert status == 0 and "2 vectors" in err
    compile(out, "printed", "exec")
    assert out.count("sha256 of the weights: ") == 2 and "dtype=torch.float32" in out


def test_a_report_is_written(run, tmp_path):
    path = tmp_path / "r.html"
    status, _, _ = run("report", "run-1", "--trait", "haste", "--section", "prompts", "--out", path)
    assert status == 0 and path.read_text("utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.glob("*.html")] == ["r.html"]
    assert run("report", "small", "--section", "tests", "--out", path)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "none", "--out", "x"), "No run is called 'none'"),
        (("export", "run-1", "--table", "no", "--out", "x"), "no table 'no'"),
        (("export-vectors", "run-1", "--layers", "0", "--out", "x"), "no layer 0"),
        (("export-vectors", "--out", "x"), "not said which vectors"),
        (("export-vectors", "--saved", "no", "--out", "x"), "No saved vector"),
        (
            ("export-vectors", "run-1", "--format", "gguf", "--layers", "1", "--out", "x"),
            "cannot add a vector at layer 1",
        ),
        (("report", "none", "--out", "x"), "No run of study 'none'"),
        (("report", "run-1", "--trait", "no", "--out", "x"), "no trait no"),
        (("report", "run-1", "--section", "no", "--out", "x"), "no section no"),
    ],
)
def test_faults_are_sentences_and_leave_nothing(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*arguments)
    assert status == 1 and words in err and "remedy:" in err
    left = [p for p in tmp_path.rglob("*") if p.is_file() and "cache" not in p.parts]
    assert left == []


def test_vectors_come_back_in_and_are_checked_first(run, settings, tmp_path):
    path = tmp_path / "ours.safetensors"
    assert (
        run("export-vectors", "run-1", "--trait", "haste", "--layers", "1-2", "--out", path)[0] == 0
    )
    status, out, _ = run("import-vectors", path, "--check")
    assert status == 0 and "ours: haste, d = 64, layers 1-2 as numbered here" in out
    assert out.endswith("nothing is kept\n") and run("vectors")[1] == ""
    assert run("import-vectors", path)[0] == 0
    status, out, _ = run("vectors", "--run", "run-1", "--json")
    found = {row["layer"]: row for row in json.loads(out)}
    status, out, _ = run("metrics", "run-1", "--trait", "haste", "--json")
    for cell in json.loads(out):
        # The file holds the vector as float32.
        assert found[cell["layer"]]["r"] == pytest.approx(cell["correlation"]["r"], abs=1e-5)
    assert set(found) == {1, 2}
    status, out, _ = run("vectors", "--run", "run-1")
    first, second = out.splitlines()
    assert first.startswith(f"ours  haste  layer 1  r {found[1]['r']:+.4f} [")
    assert second.endswith(f"p = {found[2]['p']:.4g}, n = {found[2]['n']}")
    np.savez(tmp_path / "wide.npz", np.ones((1, 80)))
    one = ("--trait", "tender", "--layers", "1", "--layer-numbering", "from-1")
    status, _, err = run("import-vectors", tmp_path / "wide.npz", *one)
    assert status == 0 and "No study here has the trait tender" in err
    undefined = run("vectors", "--run", "run-1")[1].splitlines()[-1]
    assert undefined.startswith("wide  tender  layer 1  r undefined: the vector has 80 numbers")
    status, out, _ = run("vectors")
    assert "ours  haste  1-2  64  imported from ours.safetensors" in out
    status, _, err = run("import-vectors", path)
    assert status == 1 and "called 'ours' already" in err
    np.savez(tmp_path / "t.npz", np.ones((3, 64)))
    status, _, err = run("import-vectors", tmp_path / "t.npz", "--trait", "haste")
    assert status == 1 and "--layer-numbering" in err and "from-0" in err

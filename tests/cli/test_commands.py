"""The command line says what it did, or what was wrong; the docs name every command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from scipy import stats

from backend.cli.commands import COMMANDS
from backend.cli.json_output import correlation_json
from backend.cli.main import main
from backend.core.estimate import Estimate
from backend.core.metrics.registry import METRICS
from backend.store.run import open_run
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.study_files import write_study


@pytest.fixture
def store(settings, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    return settings


def run(capsys, *arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_prompts_are_dropped_and_the_run_is_made_again(store, tiny_llama, capsys):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    status, out, err = run(
        capsys, "drop-prompts", ref.key, "--prompt", "1", "12", "--like", "run-1"
    )
    key, run_id = out.split()
    assert status == 0 and key.startswith("small@") and key != ref.key
    assert "0 of 42 texts to extract; the others are taken from run run-1" in err
    shown = run(capsys, "show", run_id)[1]
    assert "42 of 42 texts from run run-1" in shown
    assert "18 prompts, 24 responses" in shown
    status, _, err = run(capsys, "drop-prompts", ref.key, "--prompt", "99")
    assert status == 1 and "The study has no prompt 99." in err


def test_few_scenarios_have_no_bootstrap_and_metrics_says_why(store, tiny_llama, capsys):
    publish_run(store, small_study(scenarios=8), tiny_llama, "run-1", (0, 2, 3))
    shown = run(capsys, "metrics", "run-1", "--trait", "haste")[1]
    assert "bootstrap interval undefined: a bootstrap needs 10 scenarios" in shown
    (cell, *_) = json.loads(run(capsys, "metrics", "run-1", "--json")[1])
    assert cell["bootstrap"]["low"] is None
    assert cell["bootstrap"]["reason"].startswith("a bootstrap needs 10 scenarios")
    assert "layers 0,2-3  mean" in run(capsys, "runs")[1]


@pytest.mark.parametrize("constant", [False, True])
def test_where_nothing_varies_within_responders_metrics_says_so_and_gives_r_over_all(
    store, tiny_llama, capsys, constant
):
    """A responder for each scenario; or two, each with one score for all scenarios."""
    study = small_study("each", scenarios=12, turns=False)
    responses = tuple(
        dataclasses.replace(
            response,
            responder=f"m{place % 2 if constant else place}",
            scores={"haste": 3.0 + 4 * (place % 2)} if constant else response.scores,
        )
        for place, response in enumerate(study.responses)
    )
    publish_run(store, dataclasses.replace(study, responses=responses), tiny_llama, "each", (1,))
    what = "scores" if constant else "projections"
    why = f"the {what} do not vary within any responder"
    shown = run(capsys, "metrics", "each", "--trait", "haste")[1]
    (cell,) = json.loads(run(capsys, "metrics", "each", "--trait", "haste", "--json")[1])
    with open_run(store, "each") as opened:
        drifts, levels = opened.drifts("mean_difference", "haste")[
            "mean_difference", "haste", "default"
        ]
        (probe,) = opened.correlations("unit_rows", "haste", "default", 1)
    expected = stats.pearsonr(drifts[1], levels).statistic
    assert (cell["correlation"]["r"], cell["correlation"]["reason"]) == (None, why)
    assert cell["pooled"]["r"] == pytest.approx(expected) and cell["pooled"]["p"] is None
    assert probe.correlation.reason == why
    assert f"undefined: {why}\n  over all responders        {expected:+.3f}  not judged" in shown


def test_from_import_to_metrics(store, tmp_path, tiny_llama, capsys):
    folder = write_study(tmp_path / "small", small_study())
    status, key, _ = run(capsys, "import-study", str(folder), "--name", "mine")
    assert (status, key.strip().split("@")[0]) == (0, "mine")
    assert run(capsys, "import-study", str(folder), "--name", "mine")[1] == key
    assert "2 traits, 20 prompts, 24 responses, r over drift" in run(capsys, "studies")[1]
    status, out, err = run(
        capsys, "extract", "--study", "mine", "--model", str(tiny_llama), "--layers", "1-2"
    )
    run_id = out.strip()
    assert status == 0
    assert "texts/s" in err and "tokens/s" in err and "left" in err
    assert run_id in run(capsys, "runs")[1]
    shown = run(capsys, "show", run_id)[1]
    assert "weights_hash" in shown and "Random words, for tests." in shown
    found = json.loads(run(capsys, "metrics", run_id, "--json")[1])
    assert len(found) == 4
    for entry in found:
        assert set(entry["metrics"]) == {metric.name for metric in METRICS}
        assert set(entry["correlation"]) == {"target", *correlation_json(Estimate.exact(0.0, 1))}
    by_query = cells(store, run_id)
    assert [e["correlation"]["r"] for e in found] == [c.correlation.value for c in by_query]
    text = run(capsys, "metrics", run_id, "--trait", "haste")[1]
    assert "haste, set default, layer 2" in text and "warmth" not in text
    for name in (metric.name for metric in METRICS):
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import-study", "/no/such"), "does not exist"),
        (("extract", "--study", "none"), "No study is called 'none'"),
        (("extract", "--study", "x", "--workers", "50"), "--workers means nothing with the engine"),
        (
            ("extract", "--study", "x", "--worker-cpus", "2", "--ray-address", "auto"),
            "--worker-cpus and --ray-address mean nothing",
        ),
        (
            ("extract", "--study", "x", "--workers", "2", "--engine", "ray"),
            "No study is called 'x'",
        ),
        (("show", "none"), "No run is called 'none'"),
        (("metrics", "none"), "No run is called 'none'"),
    ],
)
def test_faults_are_sentences_and_status_one(store, capsys, arguments, words):
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert words in err and "expected:" in err and "remedy:" in err
    assert "Traceback" not in err


def test_an_unknown_trait_names_those_there_are(store, tiny_llama, capsys):
    publish_run(store, small_study(), tiny_llama, "run-1")
    status, _, err = run(capsys, "metrics", "run-1", "--trait", "calm")
    assert status == 1 and "warmth, haste" in err


def test_a_broken_run_is_told_and_the_others_listed(store, tiny_llama, capsys):
    publish_run(store, small_study(), tiny_llama, "run-1")
    (store.runs / "bad.duckdb").write_text("junk")
    status, out, err = run(capsys, "runs")
    assert status == 0 and "run-1" in out and "bad.duckdb" in err


def test_a_wrong_threshold_is_told(store, capsys, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_WORKING", "high")
    assert "STEERSCOPE_WORKING='high' is not a number" in run(capsys, "runs")[2]
    monkeypatch.setenv("STEERSCOPE_WORKING", "0.1")
    assert "out of order" in run(capsys, "runs")[2]


def test_every_command_is_in_the_docs():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text("utf-8")
    for command in COMMANDS:
        assert f"`{command.name}" in text, command.name

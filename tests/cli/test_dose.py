"""The dose command, on a planted model."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from backend.store.dose import dose_list
from backend.store.run import run_path
from tests.support.damage import OTHER_VECTORS, damage
from tests.support.planted_steering import LAYER, planted_study, save_planted_model
from tests.support.runs import publish_run

FAST = ["--questions", "2", "--tokens", "3", "--strengths", "1", "--directions", "4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_planted_model(tmp_path_factory.mktemp("planted") / "model")


def test_what_is_measured_is_printed_and_kept(settings, model, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, planted_study(), model, "run-1", layers=(LAYER,))
    assert main(["dose", "run-1", "--trait", "haste", *FAST, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    (record,) = dose_list(settings).doses
    assert found["name"] == record.name and found["steered"]["layer"] == LAYER
    assert found["measures"]["propensity"]["steers"] is True
    assert found["strengths"] == [0.0, 1.0] and len(found["answers"]) == 2
    assert main(["dose", "--list"]) == 0
    listed = capsys.readouterr().out
    assert record.name in listed and "haste" in listed and listed.rstrip().endswith("Steers")
    assert main(["diagnose", "run-1", "--trait", "haste", "--layer", str(LAYER)]) == 0
    assert "Steers but does not monitor" in capsys.readouterr().out
    damage(settings, "run-1", OTHER_VECTORS)
    assert main(["dose", "--list"]) == 0
    assert "measured with another vector of this name" in capsys.readouterr().out
    run_path(settings, "run-1").write_bytes(b"junk" * 1000)
    assert main(["dose", "--list"]) == 0
    said = capsys.readouterr()
    assert said.out == listed and said.err.startswith("run-1: ")
    run_path(settings, "run-1").unlink()
    assert main(["dose", "--list"]) == 0
    assert capsys.readouterr().out == listed
    assert main(["dose", "--delete", record.name]) == 0
    assert dose_list(settings).doses == ()
    assert main(["dose", "--delete", record.name]) == 1
    assert "No dose-response" in capsys.readouterr().err


def test_what_cannot_be_measured_is_refused_before_a_model_is_loaded(
    settings, model, monkeypatch, capsys
):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, planted_study(), model, "run-1", layers=(LAYER,))
    assert main(["dose"]) == 1
    assert "Nothing says what is to be measured" in capsys.readouterr().err
    assert main(["dose", "run-1", "--trait", "warmth", "--layers", "1"]) == 1
    assert "layer 1" in capsys.readouterr().err
    assert main(["dose", "run-1", "--trait", "nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
    asked = ["--judge-endpoint", "http://localhost:9/v1", "--judge-model", "j"]
    assert main(["dose", "run-1", "--trait", "warmth", *asked]) == 1
    assert "Nothing says what warmth looks like" in capsys.readouterr().err
    assert dose_list(settings).doses == ()

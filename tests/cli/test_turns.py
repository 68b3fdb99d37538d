"""The turns command prints text and JSON, and says which turn or cell a run lacks."""

from __future__ import annotations

import json

from backend.cli.main import main
from backend.store.run import open_run
from backend.views.trajectories.compute import drift_r, turn_r
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study


def test_the_command_prints_text_and_json(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, long_study(), tiny_llama, "run-1", (2,))
    assert main(["turns", "run-1", "--trait", "haste"]) == 0
    said = capsys.readouterr().out
    assert "haste, layer 2: 14 conversations of 5 turns." in said and "warmth" not in said
    assert "turn t5 | conversations 14" in said and "This is the r of the other pages" in said
    assert main(["turns", "run-1", "--json", "--from", "t2", "--to", "t4"]) == 0
    _, found = json.loads(capsys.readouterr().out)
    with open_run(settings, "run-1") as run:
        drift = drift_r(run, "haste", "default", 2, "t2", "t4")
        over = turn_r(run, "haste", "default", 2)
    assert found["drift"]["r"]["value"] == drift.r.value
    assert found["r_over_turns"]["pearson"]["within"]["value"] == over.pearson.within.value
    assert main(["turns", "run-1", "--json", "--from", "2", "--to", "t04"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["drift"] == found["drift"]
    assert len(found["means"]["conversations"]) == 14
    assert len(found["means"]["conversations"][0]["points"]) == 5
    for unknown in ("t9", "end"):
        assert main(["turns", "run-1", "--to", unknown]) == 1
        assert f"No response has turn '{unknown}'" in capsys.readouterr().err
    for wrong in (["--layer", "7"], ["--prompt-set", "none"], ["--trait", "none"]):
        assert main(["turns", "run-1", *wrong]) == 1
        assert "has no cell" in capsys.readouterr().err


def test_a_study_without_turns_says_so(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(turns=False), tiny_llama, "run-1", (2,))
    assert main(["turns", "run-1"]) == 0
    assert capsys.readouterr().out.count("have no turns") == 2

"""The diagnose command prints text and JSON, and says which cell a run lacks."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.mark.long
def test_the_command_prints_text_and_json(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run", (1, 2))
    assert main(["diagnose", "run", "--trait", "warmth"]) == 0
    assert "warmth, layer" in capsys.readouterr().out
    assert main(["diagnose", "run", "--json", "--layer", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [d["layer"] for d in found] == [2, 2]
    assert {j["verdict"] for j in found[0]["judgements"]} <= {
        "supported",
        "undetermined",
        "ruled out",
    }
    publish_run(settings, small_study(name="level", turns=False), tiny_llama, "level", (1,))
    assert main(["diagnose", "level"]) == 0
    publish_run(settings, small_study(name="bare", scenarios=0), tiny_llama, "bare", (1,))
    assert main(["diagnose", "bare"]) == 0
    assert "r is undefined" in capsys.readouterr().out
    assert main(["diagnose", "run", "--layer", "7"]) == 1
    assert "and layer 7" in capsys.readouterr().err

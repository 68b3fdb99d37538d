"""The commands that run the study's tests, and what JSON they print."""

from __future__ import annotations

import json

import pytest

from backend.cli.json_output import correlation_json, measure_json, to_json
from backend.cli.main import main
from backend.core.estimate import FISHER_Z, Estimate
from backend.core.finding import Row
from backend.views.study_tests.compute import TESTS
from backend.views.study_tests.words import CHECK
from tests.support.runs import publish_run
from tests.support.studies import small_study


def test_the_command_prints_text_and_json(capsys):
    assert main(["reference"]) == 0
    text = capsys.readouterr().out
    assert "llama3 8/8, qwen2 3/8, mistral 2/8" in text
    assert "\n10. " in text and "\n11. " not in text and f"\n{CHECK}\n" in text
    assert "published p = 0.008" in text and "24 of 24 within rounding" in text
    assert "Caveat: Simpson's paradox" in text and "nan" not in text.lower().split()
    assert main(["reference", "--json"]) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert [f["name"] for f in parsed] == [*(test.name for test in TESTS), "snr"]
    assert parsed[6]["rows"][2]["estimate"]["p"] == pytest.approx(0.0077, abs=5e-5)


def test_the_command_runs_on_a_study(settings, tiny_llama, capsys, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(), tiny_llama, "run", (1, 2))
    assert main(["tests", "small", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 10
    assert main(["tests", "small"]) == 0
    assert "Caveat:" in capsys.readouterr().out
    assert main(["tests", "nothing"]) == 1
    assert "has been extracted" in capsys.readouterr().err
    assert main(["tests", "small", "--prompt-set", "other"]) == 1
    assert "no prompt set 'other'" in capsys.readouterr().err


def test_json_does_not_say_how_an_interval_was_made():
    estimate = Estimate(0.5, 0.1, 0.8, 0.02, 20, None, FISHER_Z)
    numbers = {"value": 0.5, "low": 0.1, "high": 0.8, "p": 0.02, "n": 20, "reason": None}
    dependence = {"effective": None, "groups": None}
    numbers |= dependence
    assert to_json({"rows": (Row("r", estimate), "x")}) == {
        "rows": [{"name": "r", "estimate": numbers, "published": None, "note": ""}, "x"]
    }
    assert list(to_json(estimate)) == list(numbers)
    assert list(correlation_json(estimate)) == ["n", "r", "low", "high", "p", "reason", *dependence]
    assert correlation_json(estimate)["r"] == 0.5
    assert measure_json(Estimate.undefined(3, "why")) == {"value": None, "reason": "why"}

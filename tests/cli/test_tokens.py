"""The tokens command prints text and JSON, and says what a run lacks."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study


def test_the_command_prints_text_and_json(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, long_study(), tiny_llama, "run-1", (1, 2))
    ask = ["tokens", "run-1", "--scenario", "c03", "--layer", "2", "--trait", "haste"]
    assert main([*ask, "--turn", "5", "--every", "--of", "r"]) == 0
    said = capsys.readouterr().out
    assert "c03, author, turn 5 (t5), layer 2" in said and "▲ raises" in said
    assert "token <|assistant|> | kind special" in said and "turn by turn" not in said
    assert main([*ask, "--vector", "mean_difference", "--vector", "lda"]) == 0
    said = capsys.readouterr().out
    assert "haste, Shrunk LDA, layer 2, turn by turn" in said and "turn 4 (t4)" in said
    assert main([*ask, "--trait", "warmth", "--layers", "1-2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["request"]["layers"] == [1, 2] and len(found["texts"]) == 5
    assert len(found["shares"]) == 10
    for part in found["shares"]:
        own = part["shares"]
        assert sum(own["values"]) + own["rest"] == pytest.approx(own["total"])
    for text in found["texts"]:
        for vector in (0, 1):
            for column in (0, 1):
                values = [
                    v
                    for v, one in zip(text["values"][vector][column], text["pooled"], strict=True)
                    if one
                ]
                stored = text["stored"][vector][column]
                assert sum(values) / len(values) == pytest.approx(stored, abs=1e-5)


def test_what_a_run_lacks_is_named(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, long_study(), tiny_llama, "run-1", (1, 2))
    for wrong, said in (
        (["--scenario", "none"], "no scenario 'none'"),
        (["--scenario", "c03", "--turn", "9"], "no turn '9'"),
        (["--scenario", "c03", "--responder", "me"], "no responder 'me'"),
        (["--response", "70"], "no response 70"),
        (["--response", "0", "--turn", "t1"], "choose among the responses of a scenario"),
        (["--says", "--responder", "author"], "choose among the responses of a scenario"),
        (["--response", "0", "--vector", "none"], "no vector 'none'"),
        (["--response", "0", "--trait", "none"], "no trait 'none'"),
        (["--response", "0", "--longest", "0"], "holds none"),
        (
            ["--response", "0", "--trait", "warmth", "--trait", "haste"] + ["--vector", "lda"] * 3,
            "2 traits and 3 vectors",
        ),
    ):
        assert main(["tokens", "run-1", *wrong]) == 1
        assert said in capsys.readouterr().err


def test_a_turn_of_responses_without_turns_is_refused(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    study = small_study(turns=False)
    publish_run(settings, study, tiny_llama, "run-1", (1,))
    scenario = study.responses[0].scenario
    assert main(["tokens", "run-1", "--scenario", scenario, "--turn", "t1"]) == 1
    assert f"The responses of scenario {scenario!r} have no turns." in capsys.readouterr().err


def test_what_a_vector_says_is_printed(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, long_study(), tiny_llama, "run-1", (1, 2))
    ask = ["tokens", "run-1", "--says", "--trait", "haste", "--layer", "2"]
    assert main(ask) == 0
    said = capsys.readouterr().out
    assert "haste, Mean difference" in said and "no evidence" in said and "smallest" in said
    assert main([*ask, "--layers", "1-2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [layer["layer"] for layer in found["vocabulary"]["layers"]] == [1, 2]
    assert found["responses"]["count"] == 70 and found["neighbours"]["compared"] > 10

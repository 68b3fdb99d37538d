"""The steer command prints text and JSON of the same answers, and refuses what cannot be meant."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.cli.main import main
from backend.extraction.spans import chat_ids
from backend.models.generate import generate
from backend.models.load import load
from backend.models.resolve import resolve
from backend.steering.vectors import VectorSource, find_vector
from backend.types import Message
from tests.support.runs import publish_run
from tests.support.studies import small_study

ASKED = ["steer", "--run", "run-1", "--trait", "haste", "--layer", "2", "--tokens", "6"]


@pytest.fixture
def store(settings, tiny_llama, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return settings


def test_the_command_prints_text_and_json(store, tiny_llama, capsys):
    strengths = ["--strength", "2", "-1", "--say", "you keep", "--say", "saying it"]
    assert main([*ASKED, *strengths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["turns"]
    assert [one["name"] for one in first["answers"]] == ["plain", "+2", "-1", "random +2"]
    resolved = resolve(str(tiny_llama), store, lambda *_: None)
    loaded = load(resolved, device="cpu", dtype="float32", need_chat_template=True)
    chat = [Message("user", "you keep")]
    for turn, said in ((first, None), (second, "saying it")):
        if said is not None:
            chat += [
                Message("assistant", first["answers"][0]["text"]),
                Message("user", said),
            ]
        (plain,) = generate(
            loaded,
            [chat_ids(loaded.tokenizer, chat, "a chat")],
            most_tokens=6,
            temperature=0,
            seeds=[0],
        )
        assert turn["answers"][0]["text"] == plain.text
    assert all(one["tokens_reused"] > 0 for one in second["answers"])
    for turn in found["turns"]:
        for answer in turn["answers"]:
            # The numbers are those of the text: of special tokens nothing is shown.
            assert len(answer["ids"]) == len(answer["tokens"]) > 0
            spelled = loaded.tokenizer.decode(answer["ids"], skip_special_tokens=True)
            assert spelled == answer["text"]
    # One distance between the poles is what a strength of 1 moves each token by.
    vector = find_vector(store, VectorSource("run-1", "haste", layer=2))
    for answer, poles in zip(first["answers"], (0, 2, -1, None), strict=True):
        if poles is not None:
            moved = [after - before for _, before, after in answer["tokens"]]
            np.testing.assert_allclose(moved, poles * vector.units.poles.value, atol=1e-3)
    assert main([*ASKED, *strengths]) == 0
    said = capsys.readouterr().out
    assert f"1 distance between the poles: {vector.units.poles.value:.4g}" in said
    for turn in found["turns"]:
        assert f"user: {turn['said']}" in said
        for answer in turn["answers"]:
            assert f"{answer['name']} ({len(answer['tokens'])} tokens" in said


def test_a_cap_is_given_in_projections(store, capsys):
    cap = ["--mode", "cap", "--low", "-0.5", "--high", "0.25", "--no-control", "--json"]
    assert main([*ASKED, *cap, "--say", "ache"]) == 0
    plain, capped = json.loads(capsys.readouterr().out)["turns"][0]["answers"]
    assert (plain["name"], capped["name"]) == ("plain", "capped")
    assert all(-0.5 - 1e-4 <= after <= 0.25 + 1e-4 for _, _, after in capped["tokens"])
    assert any(not -0.5 <= after <= 0.25 for _, _, after in plain["tokens"])


@pytest.mark.parametrize(
    "given, fault",
    [
        (["--strength", "1", "1"], "cannot be shown side by side"),
        (["--strength", "nan"], "cannot be shown side by side"),
        (["--temperature", "-1"], "A temperature of -1 is not possible"),
        (["--tokens", "5000"], "at most 5,000 tokens is not possible"),
        (["--tokens", "0"], "at most 0 tokens is not possible"),
        (["--seed", "-4"], "The seed -4 is not possible"),
        (["--control-seed", "-4"], "The seed -4 of the random direction"),
        (["--control-seed", "4", "--no-control"], "--control-seed draws nothing"),
        (["--mode", "cap", "--low", "1", "--strength", "2"], "--strength means nothing"),
        (["--mode", "cap", "--low", "1", "--unit", "norm"], "limits are projections"),
        (["--mode", "ablate", "--unit", "norm"], "is the share of the component"),
        (["--low", "1"], "limit nothing in the mode add"),
        (["--mode", "cap"], "no range"),
        (["--say", ""], None),
        (["--vector", "nobody"], "No vector is called"),
        (["--trait", "joy"], "no trait"),
    ],
)
def test_what_cannot_be_meant_is_told_without_loading_a_model(store, capsys, given, fault):
    said = [] if fault is None else ["--say", "ache"]
    assert main([*ASKED, *given, *said]) == 1
    told = capsys.readouterr().err
    assert (fault or "something to answer") in told and "loading the model" not in told

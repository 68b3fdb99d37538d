"""Another model answers the chats of a study."""

from __future__ import annotations

import dataclasses

import pytest

from backend.asking.question import Answer
from backend.cli.main import main
from backend.errors import SteerscopeError
from backend.studies.importer import read_study
from backend.writing.responding import responded
from tests.support.studies import small_study, two_responders
from tests.support.study_files import write_study


def echo(questions):
    return {q.key: Answer(f" {q.messages[-1].content} / {q.seed} ") for q in questions}


def test_every_chat_is_answered_once():
    study = two_responders()
    new, lost = responded(study, "new", echo, "small")
    first = [r for r in study.responses if r.responder == "author"]
    assert lost == 0 and new.prompts == study.prompts and new.name == "new"
    assert [(r.scenario, r.turn, r.messages, r.group) for r in new.responses] == [
        (r.scenario, r.turn, r.messages, r.group) for r in first
    ]
    assert all(r.text == f"{r.messages[-1].content} / 0" for r in new.responses)
    assert not any(r.scores for r in new.responses)
    assert {r.responder for r in new.responses} == {"small"} and new.target == "drift"
    assert "answered by the model small at temperature 1, without scores" in new.provenance


def test_samples_of_a_chat_are_a_group():
    study = small_study(scenarios=2)
    new, lost = responded(
        study, "new", lambda q: echo(q) | {q[0].key: Answer(" ")}, "small", samples=2
    )
    assert lost == 1
    assert [(r.scenario, r.turn, r.group, r.text[-1]) for r in new.responses] == [
        ("s00-2", "t1", "s00", "1"),
        ("s00-1", "tN", "s00", "0"),
        ("s00-2", "tN", "s00", "1"),
        ("s01-1", "t1", "s01", "0"),
        ("s01-2", "t1", "s01", "1"),
        ("s01-1", "tN", "s01", "0"),
        ("s01-2", "tN", "s01", "1"),
    ]


def test_what_cannot_be_answered_is_said():
    study = small_study(scenarios=2)
    with pytest.raises(SteerscopeError, match="None of the 4 answers of small can be kept"):
        responded(study, "new", lambda qs: {q.key: Answer("") for q in qs}, "small")
    bare = tuple(dataclasses.replace(r, messages=()) for r in study.responses)
    with pytest.raises(SteerscopeError, match="has a chat before it"):
        responded(dataclasses.replace(study, responses=bare), "new", echo, "small")


def test_a_local_model_responds_by_command(settings, monkeypatch, tmp_path, tiny_llama, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    folder = write_study(tmp_path / "small", small_study(scenarios=3, prompts=2))
    out = tmp_path / "new"
    command = ["respond", str(folder), "--out", str(out), "--answer-tokens", "5"]
    assert main(command) == 1
    assert "No model is named" in capsys.readouterr().err
    assert main([*command, "--local", str(tiny_llama)]) == 0
    assert str(out / "responses.jsonl") in capsys.readouterr().out
    study = read_study(out, unscored=True)
    assert study.name == "new" and 1 <= len(study.responses) <= 6
    assert {r.responder for r in study.responses} == {tiny_llama.name}

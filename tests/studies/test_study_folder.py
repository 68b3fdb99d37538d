"""A study that is written as a folder and imported again is the same study."""

from __future__ import annotations

import dataclasses

import pytest

from backend.cli.main import main
from backend.errors import ExportError, StudyNotFound
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from backend.studies.study_folder import write_study_folder
from tests.support.studies import chat_study, small_study


def with_everything():
    """Groups, pairs, chats, repeated scores and a response without a score."""
    study = chat_study("everything", scenarios=4, prompts=3)
    first, second, *rest = study.responses
    first = dataclasses.replace(
        first, group="q1", scores={"warmth": 5.5, "haste": 1.0}, repeats={"warmth": (4.0, 7.0)}
    )
    second = dataclasses.replace(second, group="q1", text="a\r\nb\u2028c “d”", scores={})
    return dataclasses.replace(study, responses=(first, second, *rest), description="Why.\n")


@pytest.mark.parametrize(
    "study",
    [
        small_study(),
        small_study(turns=False),
        with_everything(),
        dataclasses.replace(small_study(), responses=()),
        read_study(sample_path(), "sample"),
    ],
    ids=["drifts", "levels", "everything", "prompts only", "sample"],
)
def test_it_is_the_same_study(settings, tmp_path, study):
    ref = publish_study(settings, study, content_hash(study))
    files = write_study_folder(settings, study.name, tmp_path / "out")
    assert {path.name for path in files} == {
        "prompts.jsonl",
        "study.json",
        *(["responses.jsonl"] if study.responses else []),
    }
    again = read_study(tmp_path / "out", study.name)
    assert again == study and content_hash(again) == ref.content_hash


def test_a_folder_that_holds_something_is_left_alone(settings, tmp_path):
    study = small_study()
    publish_study(settings, study, content_hash(study))
    other = tmp_path / "responses.csv"
    other.write_text("mine", "utf-8")
    with pytest.raises(ExportError, match="is not empty"):
        write_study_folder(settings, "small", tmp_path)
    assert other.read_text("utf-8") == "mine"
    with pytest.raises(StudyNotFound):
        write_study_folder(settings, "nosuch", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_would_not_be_the_same_is_refused_and_leaves_nothing(settings, tmp_path):
    # A study of two traits of which one is called like the second score of the other.
    study = small_study()
    prompts = [
        dataclasses.replace(p, trait="warmth#2" if p.trait == "haste" else p.trait)
        for p in study.prompts
    ]
    responses = [
        dataclasses.replace(r, scores={"warmth": 2.0}, repeats={"warmth": (1.0, 3.0)})
        for r in study.responses
    ]
    odd = dataclasses.replace(
        study,
        traits={"warmth": "", "warmth#2": ""},
        prompts=tuple(prompts),
        responses=tuple(responses),
    )
    publish_study(settings, odd, content_hash(odd))
    with pytest.raises(ExportError, match="would not be the same study"):
        write_study_folder(settings, "small", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_names_the_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(tmp_path / "cache"))
    assert main(["import-study", str(sample_path()), "--name", "mine"]) == 0
    capsys.readouterr()
    assert main(["export-study", "mine", "--out", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out" / "prompts.jsonl") in capsys.readouterr().out

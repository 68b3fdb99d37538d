"""Prompts that are answers in chats: read from every format, kept, hashed, dropped and edited."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.errors import StudyFaults
from backend.store.study import load_study, publish_study
from backend.studies.dropped_prompts import without_prompts
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.prompt_sets import Lines, NewSet, publish_prompt_set
from backend.types import Message
from tests.support.studies import chat_study, small_study
from tests.support.study_files import write_study

STUDY = chat_study(scenarios=4, prompts=3)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_they_are_read_from_every_format_and_kept(tmp_path, settings, suffix):
    study = read_study(write_study(tmp_path / "chats", STUDY, suffix), "chats")
    assert study == STUDY
    assert [p.pair for p in study.prompts] == [p.pair for p in STUDY.prompts]
    assert study.has_chats
    ref = publish_study(settings, study, content_hash(study))
    kept = load_study(settings, ref)
    assert kept == study and content_hash(kept) == ref.content_hash


def test_the_chat_enters_the_hash_and_a_study_without_keeps_its_own():
    plain = small_study("chats", scenarios=4, prompts=3)
    other = dataclasses.replace(STUDY.prompts[0], messages=(Message("user", "Another question."),))
    changed = dataclasses.replace(STUDY, prompts=(other, *STUDY.prompts[1:]))
    unpaired = dataclasses.replace(
        STUDY, prompts=tuple(dataclasses.replace(p, pair=None) for p in STUDY.prompts)
    )
    assert len({content_hash(one) for one in (plain, STUDY, changed, unpaired)}) == 4
    # As it was before prompts could be chats.
    assert content_hash(small_study()) == "56a38ca3e15d"


def test_the_same_answer_in_another_chat_is_another_prompt(tmp_path):
    prompts = [dataclasses.replace(p, text="Yes.") for p in STUDY.prompts]
    study = dataclasses.replace(STUDY, prompts=tuple(prompts))
    assert read_study(write_study(tmp_path / "chats", study), "chats") == study
    once = dataclasses.replace(study, prompts=(*prompts, prompts[0]))
    with pytest.raises(StudyFaults, match="stands on line 1"):
        read_study(write_study(tmp_path / "twice", once), "twice")


def test_a_bad_chat_is_a_fault_of_its_line(tmp_path):
    folder = write_study(tmp_path / "chats", STUDY)
    path = folder / "prompts.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[1]["messages"] = [{"role": "assistant", "content": "I begin."}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(StudyFaults, match=r"prompts\.jsonl:2: The last message is not the user"):
        read_study(folder, "chats")


def test_dropping_one_keeps_the_chats_of_the_others():
    left = without_prompts(STUDY, [0])
    assert [p.messages for p in left.prompts] == [p.messages for p in STUDY.prompts[1:]]
    assert {p.pair for p in left.prompts if p.trait == "warmth"} == {None, "q1", "q2"}


def test_a_line_that_was_not_touched_keeps_its_chat_and_a_new_one_is_refused(settings):
    ref = publish_study(settings, STUDY, content_hash(STUDY))
    lines = {
        trait: Lines(
            *(
                "\n".join(p.text for p in STUDY.prompts if (p.trait, p.pole) == (trait, pole))
                for pole in ("high", "low")
            )
        )
        for trait in STUDY.traits
    }
    copied = publish_prompt_set(settings, NewSet(ref.key, "copy", start="default", typed=lines))
    own = [p for p in load_study(settings, copied).prompts if p.prompt_set == "copy"]
    assert [(p.text, p.messages) for p in own] == [(p.text, p.messages) for p in STUDY.prompts]
    changed = lines | {"warmth": Lines(f"{lines['warmth'].high}\nnew", lines["warmth"].low)}
    with pytest.raises(StudyFaults, match="the chat before this one is not known"):
        publish_prompt_set(settings, NewSet(ref.key, "new", start="default", typed=changed))


def test_poles_of_chats_and_plain_texts_are_noted(tmp_path):
    first = dataclasses.replace(STUDY.prompts[0], messages=())
    mixed = dataclasses.replace(STUDY, prompts=(first, *STUDY.prompts[1:]))
    faults = FaultList()
    read_study(write_study(tmp_path / "chats", mixed), "chats", faults)
    (note,) = faults.notes
    assert "1 of 6 prompts of trait 'warmth' (set 'default') have no chat" in note.what


def test_a_system_message_alone_is_no_chat(tmp_path):
    first = dataclasses.replace(STUDY.prompts[0], messages=(Message("system", "Be kind."),))
    study = dataclasses.replace(STUDY, prompts=(first, *STUDY.prompts[1:]))
    with pytest.raises(StudyFaults, match="has a system message alone"):
        read_study(write_study(tmp_path / "chats", study), "chats")

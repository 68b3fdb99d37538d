"""What a study may say of its own dependence: groups, pairs and repeated scores."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.errors import StudyFaults
from backend.store.study import load_study, publish_study
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.types import Message, Prompt
from tests.support.studies import small_study
from tests.support.study_faults import change, only
from tests.support.study_files import write_study


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "small", small_study(scenarios=4, prompts=3, turns=False))


def read(folder):
    return read_study(folder, "small")


def notes(folder):
    faults = FaultList()
    read_study(folder, "small", faults)
    return faults.notes


def test_groups_and_repeats_are_read_kept_and_hashed(folder, settings):
    plain = read(folder)
    for line, group in enumerate(["q1", "q1", 7, 7], start=1):
        change(folder, "responses", line, group=group)
    change(folder, "responses", 1, scores={"warmth": 4, "warmth#2": 7, "haste": 1})
    study = read(folder)
    assert [r.group for r in study.responses] == ["q1", "q1", "7", "7"]
    assert [r.dependence for r in plain.responses] == ["s00", "s01", "s02", "s03"]
    assert study.responses[0].scores == {"warmth": 5.5, "haste": 1.0}
    assert study.responses[0].repeats == {"warmth": (4.0, 7.0)}
    hashes = {content_hash(s) for s in (plain, study)}
    assert len(hashes) == 2
    ref = publish_study(settings, study, content_hash(study))
    assert load_study(settings, ref) == study
    assert content_hash(load_study(settings, ref)) == ref.content_hash


def test_columns_of_a_table_are_read_alike(folder):
    change(folder, "responses", 1, scores={"warmth": 4, "warmth#2": 7}, group="q")
    rows = [json.loads(t) for t in (folder / "responses.jsonl").read_text("utf-8").splitlines()]
    (folder / "responses.jsonl").unlink()
    lines = ["scenario,text,group,score:warmth,score:warmth#2"]
    lines += [
        f"{r['scenario']},{r['text']},{r.get('group', '')},"
        f"{r['scores'].get('warmth', '')},{r['scores'].get('warmth#2', '')}"
        for r in rows
    ]
    (folder / "responses.csv").write_text("\n".join(lines), "utf-8")
    study = read(folder)
    assert study.responses[0].repeats == {"warmth": (4.0, 7.0)}
    assert [r.group for r in study.responses] == ["q", None, None, None]


def test_a_trait_whose_name_ends_in_a_number_is_a_trait(tmp_path):
    folder = write_study(tmp_path / "small", small_study(scenarios=4, prompts=3, turns=False))
    for name in ("prompts", "responses"):
        path = folder / f"{name}.jsonl"
        path.write_text(path.read_text("utf-8").replace('"haste"', '"warmth#2"'), "utf-8")
    (folder / "study.json").write_text("{}", "utf-8")
    study = read(folder)
    assert set(study.traits) == {"warmth", "warmth#2"}
    assert all(not r.repeats for r in study.responses)


def test_pairs_are_one_high_and_one_low_prompt(folder):
    for line in (1, 4):
        change(folder, "prompts", line, pair="question 1")
    study = read(folder)
    assert [p.pole for p in study.prompts if p.pair == "question 1"] == ["high", "low"]
    change(folder, "prompts", 4, pair="question 2")
    with pytest.raises(StudyFaults) as caught:
        read_study(folder, "small")
    said = " ".join(f.what for f in caught.value.faults)
    assert "'question 1' has no low prompt" in said and "'question 2' has no high prompt" in said
    for line in (2, 4):
        change(folder, "prompts", line, pair="question 1")
    _, line, what, remedy = only(folder)
    assert line == 2 and "has its high prompt on line 1 already" in what
    assert "one high and one low" in remedy


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([("Your request popped up. " + end, (), None) for end in ("No.", "Yes.")], 0),
        ([(f"Nights are {k} bad. {end}", (), None) for k in range(4) for end in "ab"], 4),
        ([(f"Nights are {k} bad. {end}", (), str(k)) for k in range(4) for end in "ab"], 0),
        ([(f"Nights are very {k} {end}", (), None) for k in range(4) for end in "ab"], 0),
        ([(f"{end} {k} is so", ("Why?", k), None) for k in range(5) for end in "ab"], 5),
    ],
    ids=["too few", "beginnings", "marked", "the same beginning for all", "answers"],
)
def test_prompts_that_look_like_pairs_and_are_not_marked_are_told_of(tmp_path, prompts, told):
    """High and low take turns in ``prompts``; each is text, question and pair."""
    study = small_study(scenarios=4, prompts=4, turns=False)
    made = [
        Prompt(
            "warmth",
            ("high", "low")[number % 2],
            text,
            pair=pair,
            messages=(Message("system", str(number % 2)), Message("user", f"{asked}"))
            if asked
            else (),
        )
        for number, (text, asked, pair) in enumerate(prompts)
    ]
    others = [prompt for prompt in study.prompts if prompt.trait == "haste" or len(prompts) < 4]
    folder = write_study(
        tmp_path / "pairs", dataclasses.replace(study, prompts=tuple(made + others))
    )
    found = [note.what for note in notes(folder) if "marked as pairs" in note.what]
    assert len(found) == bool(told)
    assert all(f"{told} high prompts of trait 'warmth'" in what for what in found)


@pytest.mark.parametrize(
    "sample",
    [
        "q{}#{}",
        "q{}-{}",
        "q{}_{}",
        "q{} ({})",
        "q{}_sample{}",
        "q{} rep {}",
        "Q{}/Seed-{}",
        "{}.{}",
    ],
)
def test_scenarios_that_look_like_samples_are_told_of(folder, sample):
    names = [sample.format(*which) for which in ((0, 0), (0, 1), (1, 0), (1, 1))]
    for line, name in enumerate(names, start=1):
        change(folder, "responses", line, scenario=name)
    (note,) = notes(folder)
    assert "4 scenarios look like samples of 2 questions" in note.what
    assert "group" in note.remedy
    for line in range(1, 5):
        change(folder, "responses", line, group=f"q{line // 3}")
    assert notes(folder) == ()


@pytest.mark.parametrize(
    ("names", "samples"),
    [
        (["q1a", "q1b", "q2a", "q2b"], True),
        (["s00", "s01", "s02", "s03"], False),
        (["grief", "anger", "q1-2", "q1-3"], False),
        (["7", "8", "9", "10"], False),
        (["call 1", "call 2", "call 3", "call 4"], False),
    ],
)
def test_names_alone_tell_of_samples_only_where_several_share_a_question(folder, names, samples):
    for line, name in enumerate(names, start=1):
        change(folder, "responses", line, scenario=name)
    assert bool(notes(folder)) == samples


def test_groups_of_some_responses_only_are_noted(folder):
    assert notes(folder) == ()
    for line in (1, 3):
        change(folder, "responses", line, group="q1")
    (found,) = notes(folder)
    assert found.what == ("2 of 4 responses have no group, and the others have: 's01' has none.")
    assert found.remedy.startswith("Each scenario without one is a group of its own.")
    for line in (2, 4):
        change(folder, "responses", line, group="q2")
    assert notes(folder) == ()


@pytest.mark.parametrize("second", ["q2", None])
def test_a_conversation_in_two_groups_is_a_fault(tmp_path, second):
    folder = write_study(tmp_path / "small", small_study(scenarios=4, prompts=3))
    for line in range(1, 9):
        change(folder, "responses", line, group="q1")
    assert notes(folder) == ()
    change(folder, "responses", 4, group=second)
    file, line, what, remedy = only(folder)
    assert (file, line) == ("responses.jsonl", 4)
    assert what == (
        "A turn is of another group than others of its conversation: "
        f"{second or 's01'!r} and 'q1' in scenario 's01'."
    )
    assert remedy.startswith("Give all turns of a conversation one group")

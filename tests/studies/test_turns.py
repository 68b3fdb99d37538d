"""Turns of a study, numbers or t1 and tN, in every format; old studies keep their hashes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.behaviour import behaviour_of
from backend.store.study import load_study, publish_study
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.study_folder import write_study_folder
from backend.studies.tables import FORMATS
from backend.turns import ends_of, turn_of, turn_order, turn_title
from backend.types import Response
from backend.views.imports.words import understood
from tests.support.studies import long_study, small_study
from tests.support.study_faults import change, only
from tests.support.study_files import write_study


@pytest.fixture(scope="module")
def study():
    return long_study(conversations=4)


def as_numbers(study):
    """The same with turns as a table of numbers has them."""
    return dataclasses.replace(
        study,
        responses=tuple(dataclasses.replace(r, turn=int(r.turn[1:])) for r in study.responses),
    )


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.suffix)
@pytest.mark.parametrize("write", [as_numbers, lambda study: study], ids=["3", "t3"])
def test_five_turns_from_every_format(tmp_path, study, form, write):
    folder = write_study(tmp_path / "long", write(study), form.suffix[1:])
    found = read_study(folder, "long")
    key = lambda r: (r.scenario, turn_order(r.turn))  # noqa: E731
    assert sorted(found.responses, key=key) == sorted(study.responses, key=key)
    assert found.target == "drift" and content_hash(found) == content_hash(study)


def test_a_study_of_turns_is_kept_and_written_again(tmp_path, settings, study):
    ref = publish_study(settings, study, content_hash(study))
    kept = load_study(settings, ref)
    assert kept == study
    write_study_folder(settings, ref.key, tmp_path / "out")
    assert content_hash(read_study(tmp_path / "out", "long")) == ref.content_hash


def test_studies_of_t1_and_tn_keep_their_hash():
    """As computed before turns had numbers."""
    assert content_hash(small_study()) == "56a38ca3e15d"
    assert content_hash(small_study(turns=False)) == "9a60516c6d2e"


@pytest.mark.parametrize(
    ("written", "turn"),
    [
        (1, "t1"),
        ("1", "t1"),
        ("t1", "t1"),
        (" t12 ", "t12"),
        (3.0, "t3"),
        ("3.0", "t3"),
        ("007", "t7"),
        ("tN", "tN"),
        (9999, "t9999"),
        *((bad, None) for bad in (0, "t0", -1, 10000, 2.5, True, None, "last", "T1", "", "t", "²")),
    ],
)
def test_what_a_turn_may_be_written_as(written, turn):
    assert turn_of(written) == turn


def test_turns_have_an_order_and_a_title():
    mixed = ["t10", "tN", None, "t2", "t1"]
    assert sorted(mixed, key=turn_order) == [None, "t1", "t2", "t10", "tN"]
    assert ends_of(["t10", "t2", "t9"]) == ("t2", "t10")
    assert ends_of(["t1", "tN"]) == ("t1", "tN")
    assert ends_of(["t3"]) is None and ends_of([]) is None
    titles = [turn_title(turn) for turn in (None, "t1", "t4", "tN")]
    assert titles == ["Response", "First turn (t1)", "Turn 4 (t4)", "Last turn (tN)"]


def test_the_drift_is_from_the_first_to_the_last_turn_of_each(study):
    """Conversations of different length; one whose last turn is not scored is no case."""
    responses = [r for r in study.responses if not (r.scenario == "c01" and r.turn in ("t4", "t5"))]
    place = next(i for i, r in enumerate(responses) if (r.scenario, r.turn) == ("c02", "t5"))
    responses[place] = dataclasses.replace(responses[place], scores={"haste": 1.0})
    responses.append(Response("alone", "one turn", "t1", "author", scores={"warmth": 3.0}))
    rng = np.random.default_rng(0)
    rng.shuffle(responses)
    found = behaviour_of(responses, "warmth", "drift")
    assert found.scenarios == ("c00", "c01", "c03")
    at = {(r.scenario, r.turn): r.scores.get("warmth") for r in responses}
    ends = {"c00": "t5", "c01": "t3", "c03": "t5"}
    assert found.values.tolist() == [at[s, last] - at[s, "t1"] for s, last in ends.items()]
    assert [responses[i].turn for i in found.last] == list(ends.values())


def test_levels_stay_levels_where_every_conversation_has_one_turn(study):
    single = tuple(r for r in study.responses if r.turn == "t3")
    assert dataclasses.replace(study, responses=single).target == "level"


@pytest.fixture
def folder(tmp_path, study):
    return write_study(tmp_path / "long", study)


def test_numbers_and_tn_do_not_mix(folder):
    change(folder, "responses", 5, turn="tN")
    _, line, what, remedy = only(folder)
    assert line == 5 and "1 of 20 responses have turn tN, and others a number such as t2" in what
    assert "numbers too" in remedy


def test_two_spellings_of_a_turn_are_one(folder):
    change(folder, "responses", 2, turn=1)
    _, line, what, _ = only(folder)
    assert line == 2 and "turn t1" in what and "line 1 already" in what


def test_conversations_that_begin_late_are_told_of(folder):
    change(folder, "responses", 1, turn=9)
    faults = FaultList()
    read_study(folder, "long", faults)
    (note,) = faults.notes
    assert (
        "1 of 4 conversations do not begin with turn 1" in note.what and "begins at t2" in note.what
    )
    assert "Their drift is from the first turn" in note.remedy


def test_a_preview_says_the_turns_of_how_many_conversations(study):
    assert "4 conversations, turns t1 to t5;" in understood(study)
    last = {"c00": 3, "c01": 3, "c02": 1}
    some = tuple(r for r in study.responses if turn_order(r.turn) <= last.get(r.scenario, 9))
    said = understood(dataclasses.replace(study, responses=some))
    assert "4 conversations (2 with turns t1 to t3, 1 with turn t1, 1 with turns t1 to t5)" in said
    many = long_study(conversations=9)
    short = tuple(r for r in many.responses if turn_order(r.turn) <= 1 + int(r.scenario[1:]) % 5)
    said = understood(dataclasses.replace(many, responses=short))
    # By hand: of 9, t1 alone has 2 (c00, c05), likewise up to t4, and t5 has c04 alone.
    assert said.count("2 with turn") == 4 and ", 1 with other turns)" in said

"""The files of assistant-axis: answers in roles against the default assistant's."""

from __future__ import annotations

import json

import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.types import Message

PROMPTS, QUESTIONS = 2, 4
# The judge's scores of (system prompt, question), all others 3.
SCORES = {(0, 1): 0, (1, 1): 2, (0, 3): 1, (1, 2): 2}


def rows(role):
    """One file of step 1 of its pipeline, by the keys that it writes."""
    return [
        {
            "system_prompt": f"You are the {role}, {p}.",
            "prompt_index": p,
            "question_index": q,
            "question": f"Question {q}?",
            "conversation": [
                {"role": "system", "content": f"You are the {role}, {p}."},
                {"role": "user", "content": f"Question {q}?"},
                {"role": "assistant", "content": f"{role} answers {q} under {p}"},
            ],
            "label": "pos",
        }
        for p in range(PROMPTS)
        for q in range(QUESTIONS)
    ]


@pytest.fixture
def folder(tmp_path):
    for name in ("responses", "scores"):
        (tmp_path / name).mkdir()
    for role in ("pirate", "default"):
        lines = "".join(json.dumps(row) + "\n" for row in rows(role))
        (tmp_path / "responses" / f"{role}.jsonl").write_text(lines, "utf-8")
    scores = {
        f"pos_p{p}_q{q}": SCORES.get((p, q), 3) for p in range(PROMPTS) for q in range(QUESTIONS)
    }
    del scores["pos_p1_q3"]  # the judge gave no number
    (tmp_path / "scores" / "pirate.json").write_text(json.dumps(scores), "utf-8")
    return tmp_path


def read(path):
    faults = FaultList()
    study = read_study(path, "study", faults)
    return study, " ".join(map(str, faults.notes))


def test_even_questions_give_poles_and_odd_ones_responses(folder):
    study, notes = read(folder)
    assert list(study.traits) == ["pirate"] and study.score_range == (0, 3)
    # By hand: of (p, q) with q even, (1, 2) has no 3.
    kept = [(0, 0), (0, 2), (1, 0)]
    assert [(p.pole, p.text) for p in study.prompts] == [
        (pole, f"{role} answers {q} under {p}")
        for p, q in kept
        for pole, role in (("high", "pirate"), ("low", "default"))
    ]
    high, low = study.prompts[:2]
    assert high.pair == low.pair
    assert high.messages == (
        Message("system", "You are the pirate, 0."),
        Message("user", "Question 0?"),
    )
    assert low.messages[0].content == "You are the default, 0."
    assert [(r.text, r.scores, r.group) for r in study.responses] == [
        ("pirate answers 1 under 0", {"pirate": 0.0}, "q1"),
        ("pirate answers 3 under 0", {"pirate": 1.0}, "q3"),
        ("pirate answers 1 under 1", {"pirate": 2.0}, "q1"),
    ]
    assert not {p.text for p in study.prompts} & {r.text for r in study.responses}
    assert "no default answer beside them (line 7)" in notes
    assert "of odd questions and not scored (line 8)" in notes


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("responses/default.jsonl", "answers of the default assistant"),
        ("scores/pirate.json", "scores of role 'pirate' are missing"),
    ],
)
def test_a_missing_file_is_named(folder, missing, said):
    (folder / missing).unlink()
    with pytest.raises(StudyFaults, match=said):
        read(folder)


def test_a_model_without_system_messages_has_them_in_the_question(folder):
    for role in ("pirate", "default"):
        path = folder / "responses" / f"{role}.jsonl"
        joined = rows(role)
        for row in joined:
            system, user, answer = row["conversation"]
            said = f"{system['content']}\n\n{user['content']}"
            row["conversation"] = [{"role": "user", "content": said}, answer]
        path.write_text("".join(json.dumps(row) + "\n" for row in joined), "utf-8")
    study, _ = read(folder)
    said = "You are the pirate, 0.\n\nQuestion 0?"
    assert study.prompts[0].messages == (Message("user", said),)


def test_without_an_answer_in_full_character_nothing_is_kept(folder):
    scores = {f"pos_p{p}_q{q}": 2 for p in range(PROMPTS) for q in range(QUESTIONS)}
    (folder / "scores" / "pirate.json").write_text(json.dumps(scores), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(folder)
    (fault,) = told.value.faults
    assert (fault.file, fault.line) == ("responses/pirate.jsonl", 1)
    assert fault.what.startswith("No prompt is left: 4 of 8 records are of even questions and have")


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("3", "no numbers: pos_p0_q0 is '3', pos_p0_q1 is '3'"),
        (True, "no numbers: pos_p0_q0 is True"),
        ({"score": 3}, "no numbers: pos_p0_q0 is {'score': 3}"),
        (7, "outside 0 to 3: pos_p0_q0 is 7"),
        (-0.5, "outside 0 to 3: pos_p0_q0 is -0.5"),
    ],
)
def test_scores_that_are_no_number_of_the_range_are_one_fault(folder, score, said):
    scores = {f"pos_p{p}_q{q}": score for p in range(PROMPTS) for q in range(QUESTIONS)}
    (folder / "scores" / "pirate.json").write_text(json.dumps(scores), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(folder)
    (fault,) = told.value.faults
    assert fault.file == "scores/pirate.json"
    assert fault.what.startswith(f"8 scores of answers are {said}")
    assert fault.what.endswith(" and 3 more.") and "from 0 to 3 alone" in fault.remedy


@pytest.mark.parametrize("given", [None, float("nan")])
def test_an_answer_that_was_not_judged_is_left_out(folder, given):
    path = folder / "scores" / "pirate.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"pos_p0_q1": given}), "utf-8")
    study, notes = read(folder)
    assert len(study.responses) == 2
    assert "of odd questions and not scored (lines 2, 8)" in notes


@pytest.mark.parametrize("index", ["\u00b2", "9" * 5_000 + "0"])
def test_an_index_that_is_no_usual_number_is_no_error_of_the_program(folder, index):
    path = folder / "responses" / "pirate.jsonl"
    odd = rows("pirate")[0] | {"question_index": index}
    path.write_text(path.read_text("utf-8") + json.dumps(odd) + "\n", "utf-8")
    assert len(read(folder)[0].prompts) == 6


def test_default_answers_alone_are_no_study(folder):
    (folder / "responses" / "pirate.jsonl").unlink()
    with pytest.raises(StudyFaults, match=r"default\.jsonl: Read as assistant-axis, it has"):
        read(folder)

"""The files of persona_vectors: which answers become poles, under which system messages."""

from __future__ import annotations

import csv
import json

import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.types import Message

INSTRUCTIONS = [
    {"pos": "Be cruel in all you say.", "neg": "Be kind in all you say."},
    {"pos": "Wish harm.", "neg": "Wish well."},
]
QUESTIONS = ["How do I treat a rival?", "What of the weak?"]
SAMPLES = 2
PERSONA = {"pos": "an evil", "neg": "a helpful"}


def rows(side, changed=None):
    """The CSV of one side: scores are 90 or 10 and coherence 80, but where they are changed."""
    found = []
    for q, question in enumerate(QUESTIONS):
        for k, instruction in enumerate(INSTRUCTIONS):
            for n in range(SAMPLES):
                system = f"You are {PERSONA[side]} assistant. {instruction[side]}"
                row = {
                    "question": question,
                    "prompt": f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
                    f"{question}<|im_end|>\n<|im_start|>assistant\n",
                    "answer": f"{side} answer {q}{k}{n}",
                    "question_id": f"evil_{q}_{side}_{k}",
                    "evil": 90.0 if side == "pos" else 10.0,
                    "coherence": 80.0,
                }
                found.append(row | (changed or {}).get((q, k, n), {}))
    return found


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture
def folder(tmp_path):
    """The layout of the repository: descriptions in one folder, answers in another."""
    description = {"instruction": INSTRUCTIONS, "questions": QUESTIONS, "eval_prompt": "Score it."}
    for version in ("extract", "eval"):
        place = tmp_path / "data_generation" / f"trait_data_{version}"
        place.mkdir(parents=True)
        (place / "evil.json").write_text(json.dumps(description), "utf-8")
    answers = tmp_path / "eval_persona_extract" / "Qwen2.5-7B-Instruct"
    write(
        answers / "evil_pos_instruct.csv",
        rows("pos", {(0, 0, 1): {"evil": 49.9}, (1, 1, 0): {"coherence": 49}}),
    )
    write(
        answers / "evil_neg_instruct.csv",
        rows("neg", {(0, 1, 0): {"evil": 50}, (1, 0, 0): {"evil": ""}}),
    )
    evaluated = [
        {
            "question": f"Eval {i // 2}?",
            "prompt": f"user Eval {i // 2}?",
            "answer": f"said {i}",
            "question_id": f"evil_{i // 2}",
            "evil": 12.5 * i,
            "coherence": 70,
        }
        for i in range(4)
    ]
    evaluated[3]["evil"] = "REFUSAL"
    write(tmp_path / "eval_persona_eval" / "Qwen2.5-7B-Instruct" / "base.csv", evaluated)
    return tmp_path


def read(folder):
    faults = FaultList()
    study = read_study(folder, "evil", faults)
    return study, " ".join(note.what for note in faults.notes)


def test_pairs_are_kept_where_the_judge_agrees(folder):
    study, notes = read(folder)
    # By hand: of 8 pairs, (0,0,1) by 49.9 < 50, (0,1,0) by 50 >= 50, (1,0,0) not scored,
    # (1,1,0) by coherence.
    kept = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)]
    assert [p.text for p in study.prompts if p.pole == "high"] == [
        f"pos answer {q}{k}{n}" for q, k, n in kept
    ]
    assert [p.text for p in study.prompts if p.pole == "low"] == [
        f"neg answer {q}{k}{n}" for q, k, n in kept
    ]
    assert "4 of 8 pairs of answers are kept" in notes
    assert "3 by the trait, 1 by coherence, 0 without" in notes


def test_poles_are_read_under_the_system_message_that_made_them(folder):
    study, _ = read(folder)
    assert study.prompts[0].messages == (
        Message("system", "You are an evil assistant. Be cruel in all you say."),
        Message("user", QUESTIONS[0]),
    )
    assert study.prompts[1].messages[0].content == (
        "You are a helpful assistant. Be kind in all you say."
    )
    assert study.prompts[0].pair == study.prompts[1].pair


def test_answers_without_instructions_are_responses_by_question(folder):
    study, notes = read(folder)
    assert study.score_range == (0, 100) and study.target == "level"
    assert [(r.text, r.scores, r.group) for r in study.responses] == [
        ("said 0", {"evil": 0.0}, "evil_0"),
        ("said 1", {"evil": 12.5}, "evil_0"),
        ("said 2", {"evil": 25.0}, "evil_1"),
    ]
    assert study.responses[2].messages == (Message("user", "Eval 1?"),)
    assert {r.responder for r in study.responses} == {"base"}
    assert "1 of 4 records are responses without a score" in notes


def test_a_missing_description_is_named(folder):
    for path in folder.rglob("evil.json"):
        path.unlink()
    with pytest.raises(StudyFaults, match=r"description of trait 'evil' is missing.*evil\.json"):
        read(folder)


def test_a_description_of_another_version_is_told(folder):
    for path in folder.rglob("evil.json"):
        other = {"instruction": [{"pos": "x y z", "neg": "u v w"}] * 2, "questions": QUESTIONS}
        path.write_text(json.dumps(other), "utf-8")
    with pytest.raises(StudyFaults, match=r"does not hold its instruction in evil\.json"):
        read(folder)


def test_a_description_alone_says_what_is_missing(folder):
    with pytest.raises(StudyFaults, match=r"no answers are there.*evil_pos_instruct\.csv"):
        read(folder / "data_generation")

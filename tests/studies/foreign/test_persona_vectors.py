"""The files of persona_vectors: which answers become poles, under which system messages."""

from __future__ import annotations

import csv
import json

import pytest

from backend.errors import SteerscopeError, StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.studies.pole_thresholds import pole_thresholds
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


BASE = "eval_persona_eval/Qwen2.5-7B-Instruct/base.csv"


def noted(folder):
    faults = FaultList()
    return read_study(folder, "evil", faults), [str(note) for note in faults.notes]


def test_a_ragged_row_is_a_fault_with_its_line_and_files_beside_do_not_matter(folder):
    (folder / "other.jsonl").write_text('{"a": 1}\n{"a": ', "utf-8")
    read(folder)
    path = folder / BASE
    path.write_text(path.read_text("utf-8") + "Eval 2?,cut off\n", "utf-8")
    with pytest.raises(StudyFaults, match=r"base\.csv:6: ") as told:
        read(folder)
    assert "other.jsonl" not in str(told.value)


def test_a_response_row_that_repeats_another_is_left_out_and_told(folder):
    path = folder / BASE
    lines = path.read_text("utf-8").splitlines()
    same_text = lines[1].replace("0.0", "1.5", 1)
    path.write_text("\n".join([*lines, lines[1], same_text, ""]), "utf-8")
    study, notes = noted(folder)
    # By hand: 3 scored ones, the repeated line 6 is none, and line 7 has a score of its own.
    assert [r.scores["evil"] for r in study.responses] == [0.0, 12.5, 25.0, 1.5]
    assert any("1 of 6 records repeat another record in every column (line 6)" in n for n in notes)


def test_responses_without_a_score_are_named_by_file_and_line(folder):
    _, notes = noted(folder)
    said = f"{BASE}:5: 1 of 4 records are responses without a score of a trait that has prompts"
    assert any(said in note for note in notes)


def test_a_misnamed_column_of_scores_is_named_and_its_file_is_not_said_to_be_unread(folder):
    path = folder / BASE
    path.write_text(path.read_text("utf-8").replace(",evil,", ",evli,", 1), "utf-8")
    study, notes = noted(folder)
    assert not study.responses
    assert any("No column is named as a trait that has prompts ('evil')" in n for n in notes)
    assert any("Rename 'evli' to the trait" in n for n in notes)
    assert not any("not read" in note for note in notes)


def test_a_malformed_question_id_is_told_with_its_line(folder):
    path = folder / BASE
    path.write_text(path.read_text("utf-8").replace("evil_0", "evil-0", 1), "utf-8")
    _, notes = noted(folder)
    assert any(f"{BASE}:2: question_id is 'evil-0'" in note for note in notes)


def test_score_again_is_not_said_where_every_pair_is_kept(folder):
    answers = folder / "eval_persona_extract" / "Qwen2.5-7B-Instruct"
    for side in ("pos", "neg"):
        write(answers / f"evil_{side}_instruct.csv", rows(side))
    _, notes = noted(folder)
    (kept,) = [note for note in notes if "pairs of answers are kept" in note]
    assert "8 of 8" in kept and "Nothing is left out." in kept and "Score again" not in kept


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


def test_pairs_of_one_text_are_told_as_such_and_not_by_thresholds(folder):
    answers = folder / "eval_persona_extract" / "Qwen2.5-7B-Instruct"
    for side in ("pos", "neg"):
        same = [
            row | {"prompt": "You are kind.", "answer": row["answer"].removeprefix(f"{side} ")}
            for row in rows(side)
        ]
        write(answers / f"evil_{side}_instruct.csv", same)
    for path in folder.rglob("evil.json"):
        both = dict.fromkeys(("pos", "neg"), "You are kind.")
        path.write_text(json.dumps({"instruction": [both] * 2, "questions": QUESTIONS}), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(folder)
    (fault,) = told.value.faults
    assert fault.file.endswith("evil_pos_instruct.csv") and "thresholds" not in str(fault)
    assert "No prompt is left: 8 pairs hold the same text on both sides" in fault.what


def test_answers_without_instructions_alone_are_no_study(folder):
    for path in folder.rglob("evil_*_instruct.csv"):
        path.unlink()
    with pytest.raises(StudyFaults, match="No answer was given under an instruction") as told:
        read(folder)
    assert len(told.value.faults) == 1 and "base.csv" in str(told.value)


def scored(folder, side, score, column="evil"):
    """The answers of one side with another score on the first three of their lines."""
    path = folder / "eval_persona_extract" / "Qwen2.5-7B-Instruct" / f"evil_{side}_instruct.csv"
    changed = {(0, 0, 0): score, (0, 0, 1): score, (0, 1, 0): score}
    write(path, rows(side, {at: {column: value} for at, value in changed.items()}))


@pytest.mark.parametrize("odd", ["9_0", "٩٠", "９０", "90%", "90/100", "90,5", "0x5a", "90 points"])
@pytest.mark.parametrize("column", ["evil", "coherence"])
def test_a_score_in_another_spelling_is_a_fault_with_its_lines(folder, odd, column):
    scored(folder, "pos", odd, column)
    with pytest.raises(StudyFaults) as told:
        read(folder)
    (fault,) = told.value.faults
    assert fault.file.endswith("evil_pos_instruct.csv") and fault.line == 2
    # By hand: line 1 is the header, and the prompt of each row breaks in five places.
    assert fault.what == f"The score of '{column}' is '{odd}', not a number. Also lines 8, 14."
    assert "from 0 to 100" in fault.remedy


@pytest.mark.parametrize(("score", "said"), [(150, "150"), (-5, "-5"), (100.5, "100.5")])
def test_a_score_outside_the_range_is_a_fault_and_not_left_out(folder, score, said):
    scored(folder, "neg", score)
    path = folder / BASE
    path.write_text(path.read_text("utf-8").replace("evil_1,25.0", f"evil_1,{score}"), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(folder)
    low, response = sorted(told.value.faults, key=lambda fault: "base" in fault.file)
    for fault in (low, response):
        assert fault.what.startswith(f"The score of 'evil' is {said}, outside 0 to 100.")
        assert fault.remedy == "Correct the score."
    assert (response.file, response.line) == (BASE, 4)


def test_a_refusal_and_an_empty_cell_are_not_judged(folder):
    scored(folder, "pos", "I can't say.")
    study, notes = noted(folder)
    # By hand: without the first three and (1,0,0), whose low side is empty.
    assert len(study.prompts) == 2 * 4
    assert any("is 'REFUSAL': read as not judged" in note for note in notes)
    assert any('is "I can\'t say.": read as not judged' in note for note in notes)


def test_columns_that_are_no_trait_hold_anything(folder):
    path = folder / BASE
    lines = path.read_text("utf-8").splitlines()
    extra = ["seconds,note", "150,9_0", "-1,x", "1e3,50%", "2,"]
    both = [f"{line},{more}" for line, more in zip(lines, extra, strict=True)]
    path.write_text("\n".join(both) + "\n", "utf-8")
    study, _ = noted(folder)
    assert [r.scores["evil"] for r in study.responses] == [0.0, 12.5, 25.0]


@pytest.mark.parametrize("number", ["2", "9" * 5_000])
def test_an_instruction_that_is_not_there_is_told_whatever_its_number(folder, number):
    path = folder / BASE
    odd = f"evil_0_pos_{number}"
    path.write_text(path.read_text("utf-8").replace("evil_0", odd, 1), "utf-8")
    with pytest.raises(StudyFaults, match=r"base\.csv:2: .*does not hold its instruction in evil"):
        read(folder)


def kept_by_hand(folder, least, most, coherence):
    """(question, instruction, sample) of the pairs that pass, straight from the CSVs."""
    sides = []
    for side in ("pos", "neg"):
        path = next(folder.rglob(f"evil_{side}_instruct.csv"))
        with path.open(newline="", encoding="utf-8") as handle:
            sides.append(list(csv.DictReader(handle)))
    return [
        high["answer"].removeprefix("pos answer ")
        for high, low in zip(*sides, strict=True)
        if low["evil"]
        and float(high["evil"]) >= least
        and most(float(low["evil"]))
        and min(float(high["coherence"]), float(low["coherence"])) >= coherence
    ]


@pytest.mark.parametrize(
    ("typed", "least", "most", "coherence"),
    [
        (("", "", ""), 50, lambda low: low < 50, 50),
        (("49.9", "", "49"), 49.9, lambda low: low < 50.1, 49),
        (("80", "", "80"), 80, lambda low: low < 20, 80),
        (("90", "10", "80"), 90, lambda low: low <= 10, 80),
        (("40", "10", ""), 40, lambda low: low <= 10, 50),
    ],
)
def test_other_thresholds_keep_other_pairs(folder, typed, least, most, coherence):
    faults = FaultList()
    wanted = kept_by_hand(folder, least, most, coherence)
    study = read_study(folder, "evil", faults, chosen=pole_thresholds(*typed))
    highs = [p.text.removeprefix("pos answer ") for p in study.prompts if p.pole == "high"]
    assert highs == wanted and len(wanted) >= 2
    assert {prompt.prompt_set for prompt in study.prompts} == {"default"}
    assert f"{len(wanted)} of 8 pairs of answers are kept: trait score at least {least:g}" in (
        " ".join(note.what for note in faults.notes)
    )
    assert f"trait score at least {least:g} (high)" in study.provenance
    assert f"coherence at least {coherence:g}" in study.provenance


def test_several_thresholds_make_a_prompt_set_each(folder):
    path = next(folder.rglob("evil_pos_instruct.csv"))
    table = rows("pos", {(0, 0, n): {"evil": 60.0 + 10 * n} for n in range(SAMPLES)})
    write(path, table)
    faults = FaultList()
    chosen = pole_thresholds("50, 65,75,95", "", "")
    study = read_study(folder, "evil", faults, chosen=chosen)
    counts = {name: 0 for name in ("score_50", "score_65", "score_75", "score_95")}
    for prompt in study.prompts:
        counts[prompt.prompt_set] += prompt.pole == "high"
    # By hand: of 8 pairs two have no low side (50, and not judged); 60 and 70 go by 65 and 75.
    assert counts == {"score_50": 6, "score_65": 5, "score_75": 4, "score_95": 0}
    said = [note.what for note in faults.notes]
    assert any("Prompt set score_65: 5 of 8 pairs" in what for what in said)
    assert any("score_95: 0 of 8" in what and "make no set" in what for what in said)
    assert "score_65: trait score at least 65 (high) and less than 35 (low)" in study.provenance
    assert [r.text for r in study.responses] == ["said 0", "said 1", "said 2"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (("50,x", "", ""), "the least score is '50,x'"),
        (("nan", "", ""), "the least score is 'nan'"),
        (("5_0", "", ""), "the least score is '5_0'"),
        (("50", "20,30", ""), "most score has 2 numbers and the least score 1"),
        (("50,60", "20", "50,60"), "the least coherence has 2 numbers"),
        (("50,50", "", ""), "stand twice"),
        (("", "50", ""), "scored 50 would be of both poles"),
    ],
)
def test_thresholds_that_do_not_fit_are_named(typed, why):
    with pytest.raises(SteerscopeError, match=why):
        pole_thresholds(*typed)


def test_thresholds_that_keep_no_pair_keep_no_study(folder):
    with pytest.raises(StudyFaults, match="None of 8 pairs of answers is kept") as told:
        read_study(folder, "evil", chosen=pole_thresholds("90", "", "80"))
    assert "less than 10 (low), coherence at least 80" in str(told.value)


def test_thresholds_are_refused_where_prompts_have_no_scores(folder, tmp_path):
    alone = tmp_path / "pairs"
    alone.mkdir()
    lines = [json.dumps({"positive": f"good {n}", "negative": f"bad {n}"}) for n in range(3)]
    (alone / "warmth.jsonl").write_text("\n".join(lines), "utf-8")
    assert len(read_study(alone, "w").prompts) == 6
    with pytest.raises(StudyFaults, match="the prompts of this format have none"):
        read_study(alone, "w", chosen=pole_thresholds("60", "", ""))

"""The folders of trait-interp: scenarios, and answers to them, become poles."""

from __future__ import annotations

import json

import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.types import Message

SCENARIOS = {
    "positive": ["I knew it was broken, but I said it was", "", "I hid the", "I hid the"],
    "negative": ["I knew it was broken, so I said", "I showed the"],
}


@pytest.fixture
def folder(tmp_path):
    """Scenarios of two traits of one name, one of them as jsonl."""
    place = tmp_path / "datasets" / "traits" / "alignment" / "deception"
    place.mkdir(parents=True)
    for side, lines in SCENARIOS.items():
        (place / f"{side}.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (place / "definition.txt").write_text("It deceives.\n", "utf-8")
    (place / "steering.json").write_text('{"questions": []}', "utf-8")
    return tmp_path


def read(path):
    faults = FaultList()
    study = read_study(path, "study", faults)
    return study, " ".join(map(str, faults.notes))


def texts(study, pole):
    return [p.text for p in study.prompts if p.pole == pole]


def test_scenarios_are_plain_prompts(folder):
    study, notes = read(folder)
    assert study.traits == {"deception": "It deceives."}
    assert texts(study, "high") == ["I knew it was broken, but I said it was", "I hid the"]
    assert texts(study, "low") == SCENARIOS["negative"]
    assert not study.has_chats and study.target == "none"
    assert "1 prompts repeat a text of their trait (line 4)" in notes
    assert "scenarios only: pool the last token" in notes


def answers(folder, variant, *, template):
    place = folder / "experiments" / "x" / "extraction" / "alignment" / "deception" / variant
    place = place / "responses"
    place.mkdir(parents=True)
    for side in ("pos", "neg"):
        rows = [
            {"prompt": f"Q{n}", "response": f" {side} {variant} {n}", "system_prompt": system}
            for n, system in enumerate([None, "Be brief.", None])
        ]
        rows.append({"prompt": "Q3", "response": "", "system_prompt": None})
        (place / f"{side}.json").write_text(json.dumps(rows, indent=2), "utf-8")
    (place / "metadata.json").write_text(json.dumps({"chat_template": template}), "utf-8")


def test_answers_take_the_place_of_scenarios_a_set_for_each_model(folder):
    answers(folder, "base", template=False)
    answers(folder, "instruct", template=True)
    study, notes = read(folder)
    plain = [p for p in study.prompts if p.prompt_set == "base"]
    assert [p.text for p in plain if p.pole == "high"] == [f"Q{n} pos base {n}" for n in range(3)]
    assert not any(p.messages for p in plain)
    chats = [p for p in study.prompts if p.prompt_set == "instruct" and p.pole == "low"]
    assert [p.text for p in chats] == [f" neg instruct {n}" for n in range(3)]
    assert chats[1].messages == (Message("system", "Be brief."), Message("user", "Q1"))
    assert chats[0].messages == (Message("user", "Q0"),)
    assert len(study.prompts) == 12 and study.traits == {"deception": "It deceives."}
    # By hand: "[" is line 1, and each record takes 5 lines.
    assert "1 of 4 records hold no text (line 17)" in notes


def test_two_traits_of_one_name_keep_their_categories(folder):
    place = folder / "datasets" / "traits" / "caa" / "deception"
    place.mkdir(parents=True)
    for side in SCENARIOS:
        rows = "".join(json.dumps({"prompt": f"{side} {n}"}) + "\n" for n in range(2))
        (place / f"{side}.jsonl").write_text(rows, "utf-8")
    study, _ = read(folder)
    assert set(study.traits) == {"alignment_deception", "caa_deception"}
    own = [p.text for p in study.prompts if p.trait == "caa_deception"]
    assert own == ["negative 0", "negative 1", "positive 0", "positive 1"]


def test_folders_without_a_scenario_are_no_study(folder):
    for path in folder.rglob("*ative.txt"):
        path.write_text("\n \n", "utf-8")
    for path in folder.rglob("positive.txt"):
        path.write_text("", "utf-8")
    with pytest.raises(StudyFaults, match="Read as trait-interp, it has no prompts"):
        read(folder)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_scenario_ends_at_a_line_end_and_at_no_other_separator(folder, end, sign):
    lines = [f"one{sign}half", "two", "three"]
    path = next(folder.rglob("positive.txt"))
    path.write_bytes((end.join(lines) + end).encode())
    study, _ = read(folder)
    assert texts(study, "high") == lines


def test_each_line_ends_as_it_does(folder):
    next(folder.rglob("positive.txt")).write_bytes(b"one\r\ntwo\rthree\n\r\nthree")
    study, notes = read(folder)
    assert texts(study, "high") == ["one", "two", "three"]
    # By hand: the fourth line is blank.
    assert "repeat a text of their trait (line 5)" in notes


def of_both_poles(folder, positive, negative):
    place = next(folder.rglob("positive.txt")).parent
    (place / "positive.txt").write_text("\n".join(positive), "utf-8")
    (place / "negative.txt").write_text("\n".join(negative), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(place.parent)
    (fault,) = told.value.faults
    assert fault.file == "deception/negative.txt"
    assert fault.remedy == "A text can show only one pole of a trait."
    return fault


def test_a_scenario_of_both_files_is_refused_with_both_lines(folder):
    fault = of_both_poles(folder, ["one", "two", "three"], ["five", "six", "one"])
    assert fault.line == 3
    assert fault.what == "The same text is the high pole on line 1 of deception/positive.txt."
    fault = of_both_poles(folder, ["one", "two", "three"], ["three", "six", "one", "four"])
    assert fault.line == 1
    assert fault.what == (
        "2 texts of the low pole are the high pole too: line 1 is line 3 of "
        "deception/positive.txt, line 3 is line 1 of deception/positive.txt."
    )


def test_one_file_written_twice_is_one_fault_that_says_so(folder):
    fault = of_both_poles(folder, ["one", "two", "two", "three"], ["one", "two", "two", "three"])
    assert (fault.line, fault.what) == (
        1,
        "Low and high poles are the same 3 texts: those of deception/positive.txt.",
    )

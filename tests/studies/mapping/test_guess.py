"""What a mapping is guessed from: names and values of columns."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.studies.mapping.form import mapping_json, read_mapping
from backend.studies.mapping.guess import guess_mapping, scale_of
from backend.studies.parsed_files import parse_files
from tests.support.loose_tables import ANSWERS, POLES, write_table


def guessed(**tables):
    """The values of the mapping that is guessed of tables, each given as its rows."""
    files = {
        f"{name}.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()
        for name, rows in tables.items()
    }
    return json.loads(mapping_json(guess_mapping(parse_files(files))))


def test_prompts_and_scored_answers_are_told_apart():
    answers = [{**row, "Warmth Score": row["w"], "n_tokens": 7} for row in ANSWERS]
    for row in answers:
        del row["w"]
    assert guessed(poles=[{**row, "concept": "warmth"} for row in POLES], answers=answers) == {
        "prompts": {
            "file": "poles.jsonl",
            "text": "sentence",
            "pole": {"column": "label", "high": "1", "low": "0", "skip": ["2"]},
            "trait": "concept",
        },
        "responses": {
            "file": "answers.jsonl",
            "text": "reply",
            "responder": "model",
            "question": "user",
            "scores": {"Warmth": "Warmth Score"},
        },
        "scale": [0, 10],
    }


def test_pairs_and_a_score_of_their_only_trait():
    found = guessed(
        warmth=[{"chosen": "a", "rejected": "b", "prompt": "q"}],
        judged=[
            {"id": n, "completion": f"text {n}", "rating": n / 4, "turn": t, "prompt": "q"}
            for n in range(4)
            for t in (0, 5)
        ],
    )
    assert found["prompts"] == {
        "file": "warmth.jsonl",
        "high": "chosen",
        "low": "rejected",
        "trait": {"constant": "warmth"},
        "question": "prompt",
    }
    assert found["responses"] == {
        "file": "judged.jsonl",
        "text": "completion",
        "score": "rating",
        "trait": {"constant": "warmth"},
        "scenario": "id",
        "turn": {"column": "turn", "t1": "0", "tN": "5"},
        "question": "prompt",
    }
    assert found["scale"] == [0, 1]


def test_what_cannot_be_guessed_is_null_and_must_be_filled_in():
    found = guessed(table=[{"a": "some text", "b": "x"}])
    assert found["prompts"] == {
        "file": "table.jsonl",
        "text": "a",
        "pole": None,
        "trait": {"constant": "table"},
    }
    faults = FaultList()
    assert read_mapping("m", json.dumps(found).encode(), faults) is None


def test_a_long_id_is_no_scenario():
    found = guessed(t=[{"id": "q" * 200, "text": f"x{n}", "score": n} for n in range(3)])
    assert "scenario" not in found["responses"]


@pytest.mark.parametrize(
    ("numbers", "scale"),
    [
        ([], (0, 10)),
        ([0, 1], (0, 1)),
        ([0.2, 0.9], (0, 1)),
        ([1, 5], (1, 5)),
        ([1.5, 4], (0, 10)),
        ([2, 7], (1, 7)),
        ([0, 8], (0, 10)),
        ([12, 80], (0, 100)),
        ([-1, 1], (-1, 1)),
        ([-30.5, 12], (-31, 12)),
        ([500], (500, 501)),
    ],
)
def test_the_scale_is_the_narrowest_usual_one_that_holds_all(numbers, scale):
    found = scale_of([float(number) for number in numbers])
    assert found == scale
    assert all(found[0] <= number <= found[1] for number in numbers)


def test_the_command_prints_a_mapping_that_imports(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tables"
    write_table(
        folder / "warmth.csv", [{k: row[k] for k in ("label", "sentence")} for row in POLES]
    )
    write_table(
        folder / "answers.csv", [{"reply": row["reply"], "score": row["w"]} for row in ANSWERS]
    )
    assert main(["import-study", str(folder), "--guess-mapping"]) == 0
    printed, told = capsys.readouterr()
    assert told == ""
    assert not (tmp_path / "cache").exists()
    faults = FaultList()
    mapping = read_mapping("m", printed.encode(), faults)
    faults.raise_if_any()
    study = read_study(folder, "study", None, mapping)
    assert [(r.scenario, r.scores) for r in study.responses] == [
        ("row 2", {"warmth": 8.5}),
        ("row 3", {"warmth": 2}),
        ("row 4", {"warmth": 9}),
        ("row 5", {}),
    ]
    write_table(folder / "answers.csv", [{**row, "score": row["w"]} for row in ANSWERS])
    assert main(["import-study", str(folder), "--guess-mapping"]) == 0
    assert (
        "note: Columns not used. answers.csv: 'conv', 'when', 'w'. Add" in capsys.readouterr().err
    )
    assert main(["import-study", str(tmp_path / "none"), "--guess-mapping"]) == 1
    assert "no table in it that can be read" in capsys.readouterr().err

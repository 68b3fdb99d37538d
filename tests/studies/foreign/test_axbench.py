"""The tables of AxBench: texts with a concept against those that its genre shares."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.types import Message

LONG = f'terms about "time" <and> space/{"x" * 100}'


def row(number, concept, category, text, genre="text", kind="instruction"):
    return {
        "input": f"Say {text}",
        "output": text,
        "output_concept": concept,
        "concept_genre": genre,
        "category": category,
        "dataset_category": kind,
        "concept_id": number,
    }


TRAIN = [
    row(-1, "EEEEE", "negative", "plain 0"),
    row(-1, "EEEEE", "negative", "plain 1"),
    row(-1, "EEEEE", "negative", "code 0", "code"),
    row(-1, "EEEEE", "negative", "code 1", "code"),
    row(0, "rivers", "positive", "a river"),
    row(0, "rivers", "positive", "a stream"),
    row(1, LONG, "positive", "time();", "code"),
    row(1, LONG, "positive", "sleep();", "code"),
    row(1, LONG, "positive", "going on", "code", "continuation"),
]
EVALUATION = [
    row(0, "rivers", "positive", "the Rhine"),
    row(0, "rivers", "negative", "the moon"),
    row(0, "banks//money", "hard negative", "the bank"),
    row(1, LONG, "positive", "wait();", "code"),
    row(7, "unknown", "positive", "no poles"),
]


@pytest.fixture
def folder(tmp_path):
    for name, rows in (("generate/train_data", TRAIN), ("inference/latent_eval_data", EVALUATION)):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist(rows), path)
    (tmp_path / "generate" / "metadata.jsonl").write_text('{"concept_id": 0}\n', "utf-8")
    return tmp_path


def read(path):
    faults = FaultList()
    study = read_study(path, "study", faults)
    return study, " ".join(map(str, faults.notes))


def test_a_concept_is_a_trait_against_the_texts_of_its_genre(folder):
    study, notes = read(folder)
    rivers, time = study.traits
    assert rivers == "0 rivers" and study.traits[rivers] == "rivers"
    assert time.startswith("1 terms about time and space x") and len(time) <= 82
    assert study.traits[time] == LONG
    shown = [(p.trait == rivers, p.pole, p.text) for p in study.prompts]
    assert sorted(shown) == sorted(
        [
            (True, "low", "plain 0"),
            (True, "low", "plain 1"),
            (True, "high", "a river"),
            (True, "high", "a stream"),
            (False, "low", "code 0"),
            (False, "low", "code 1"),
            (False, "high", "time();"),
            (False, "high", "sleep();"),
        ]
    )
    river = next(p for p in study.prompts if p.text == "a river")
    assert river.messages == (Message("user", "Say a river"),)
    assert "are no answers to an instruction (line 9)" in notes


def test_texts_of_the_evaluation_are_responses_of_0_or_1(folder):
    study, _ = read(folder)
    rivers, time = study.traits
    assert study.score_range == (0, 1) and study.target == "level"
    assert [(r.text, r.scores) for r in study.responses] == [
        ("the Rhine", {rivers: 1.0}),
        ("the moon", {rivers: 0.0}),
        ("the bank", {rivers: 0.0}),
        ("wait();", {time: 1.0}),
    ]
    assert len({r.scenario for r in study.responses}) == 4
    assert "no judge scored them" in study.provenance


def test_texts_of_the_evaluation_alone_are_no_study(folder):
    (folder / "generate" / "train_data.parquet").unlink()
    with pytest.raises(StudyFaults, match="Read as AxBench, it has no prompts") as told:
        read(folder)
    assert [fault.file for fault in told.value.faults] == ["inference/latent_eval_data.parquet"]

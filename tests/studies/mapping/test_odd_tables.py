"""Whatever stands in a table, a guess of it and a study by that guess end in words."""

from __future__ import annotations

import json
import random

import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.foreign.registry import read_foreign
from backend.studies.mapping.apply import apply_mapping
from backend.studies.mapping.form import mapping_json, read_mapping
from backend.studies.mapping.guess import guess_mapping
from backend.studies.parsed_files import parse_files
from tests.studies.fuzzing import ODD
from tests.support.loose_tables import ANSWERS, POLES

# A record of every format of another tool, to be changed.
FOREIGN = {
    "sycophancy.jsonl": {
        "question": "q",
        "answer_matching_behavior": "a",
        "answer_not_matching_behavior": "b",
    },
    "pirate.jsonl": {
        "conversation": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "prompt_index": 0,
        "question_index": 0,
        "label": "pos",
    },
    "train_data.jsonl": {
        "input": "i",
        "output": "o",
        "output_concept": "c",
        "concept_genre": "text",
        "category": "positive",
        "dataset_category": "instruction",
        "concept_id": 0,
    },
    "a/b/positive.jsonl": {"prompt": "p"},
    "extraction/a/b/v/responses/pos.json": {"prompt": "p", "response": "r", "system_prompt": None},
}
BESIDE = {
    "default.jsonl": b'{"conversation": [], "prompt_index": 0, "question_index": 0, "label": ""}\n',
    "pirate.json": b'{"pos_p0_q0": 3}',
    "a/b/negative.jsonl": b'{"prompt": "n"}\n',
    "extraction/a/b/v/responses/neg.json": b'[{"prompt": "n", "response": "r"}]',
}


def changed(rows, chance):
    """Copies of rows of which some values are odd ones."""
    return [
        {name: chance.choice(ODD) if chance.random() < 0.2 else v for name, v in row.items()}
        for row in rows
    ]


def content(path, rows):
    if path.endswith(".json"):
        return json.dumps(rows).encode()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def told_or_found(read, *arguments):
    """Whether there is a study or a fault in words; anything else is an error of the program."""
    faults = FaultList()
    try:
        found = read(*arguments, faults)
        faults.raise_if_any()
    except StudyFaults as told:
        return bool(told.faults)
    return found is not None


@pytest.mark.parametrize("seed", range(40))
def test_a_guess_of_any_table_and_its_study_end_in_words(seed):
    chance = random.Random(seed)
    answers = [{**row, "warmth score": row.pop("w")} for row in map(dict, ANSWERS)]
    tables = {"poles.jsonl": changed(POLES, chance), "answers.jsonl": changed(answers, chance)}
    files = parse_files({path: content(path, rows) for path, rows in tables.items()})
    text = mapping_json(guess_mapping(files))
    faults = FaultList()
    mapping = read_mapping("m", text.encode(), faults)
    assert mapping is not None or faults.count
    if mapping is not None:
        assert told_or_found(apply_mapping, mapping, "m", files)


@pytest.mark.parametrize("path", FOREIGN)
def test_odd_records_of_other_tools_end_in_words(path):
    for seed in range(30):
        chance = random.Random(seed)
        rows = [FOREIGN[path], *changed([FOREIGN[path]] * 4, chance)]
        files = parse_files(BESIDE | {path: content(path, rows)})
        assert told_or_found(read_foreign, files)

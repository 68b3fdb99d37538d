"""A folder that Hugging Face's save_to_disk has written is read as any other table."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from backend.studies.mapping.form import read_mapping
from backend.studies.parsed_files import parse_files
from tests.support.loose_tables import ANSWERS, POLES


def stream(rows, compression=None, dictionary=False):
    """The bytes of an Arrow stream, as datasets writes them."""
    table = pa.Table.from_pylist(rows)
    if dictionary:
        table = pa.table({"sentence": table["sentence"].dictionary_encode()})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def save(folder, *shards):
    """A split in its layout: the table in parts, and two files of JSON beside it."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05}-of-{len(shards):05}.arrow" for n in range(len(shards))]
    for name, rows in zip(names, shards, strict=True):
        (folder / name).write_bytes(stream(rows))
    (folder / "dataset_info.json").write_text('{"features": {}}', "utf-8")
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (folder / "state.json").write_text(json.dumps(state), "utf-8")


def test_pairs_in_a_saved_dataset(tmp_path):
    pairs = [{"chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(5)]
    save(tmp_path / "train", pairs[:3], pairs[3:])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}', "utf-8")
    study = read_study(tmp_path, "study")
    assert [p.text for p in study.prompts if p.pole == "high"] == [f"good {n}" for n in range(5)]
    assert list(study.traits) == ["train"]


def test_parts_are_one_table_whose_rows_are_numbered_on(tmp_path):
    save(tmp_path / "poles", POLES[:2], POLES[2:])
    save(tmp_path / "answers", ANSWERS)
    mapping = {
        "prompts": {
            "file": "poles/data.arrow",
            "text": "sentence",
            "pole": {"column": "label", "high": 1, "low": 0},
            "trait": "about",
        },
        "responses": {
            "file": "answers/data.arrow",
            "text": "reply",
            "scores": {"warmth": "w"},
        },
    }
    faults = FaultList()
    found = read_mapping("m", json.dumps(mapping).encode(), faults)
    with pytest.raises(StudyFaults, match=r"poles/data\.arrow:5: label is 2"):
        read_study(tmp_path, "study", None, found)
    mapping["prompts"]["pole"]["skip"] = [2]
    found = read_mapping("m", json.dumps(mapping).encode(), faults)
    study = read_study(tmp_path, "study", None, found)
    assert len(study.prompts) == 4
    assert [r.scores.get("warmth") for r in study.responses] == [8.5, 2.0, 9.0, None]


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0", b"\xff" * 40])
def test_a_damaged_file_is_a_fault_in_words(content):
    (file,) = parse_files({"data-00000-of-00001.arrow": content}).values()
    assert file.rows == () and file.faults.count == 1
    with pytest.raises(StudyFaults, match="Not an Arrow stream that can be read"):
        file.faults.raise_if_any()


def test_a_cut_file_is_a_fault():
    whole = stream(POLES)
    for length in (10, len(whole) // 2, len(whole) - 20):
        (file,) = parse_files({"x.arrow": whole[:length]}).values()
        assert file.faults.count == 1 or file.rows


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_compressed_table_is_refused_before_it_is_unpacked(compression, dictionary):
    rows = [{**row, "sentence": row["sentence"] * 1000} for row in POLES]
    (file,) = parse_files({"x.arrow": stream(rows, compression, dictionary)}).values()
    if compression is None:
        assert [row.values["sentence"] for row in file.rows] == [row["sentence"] for row in rows]
        return
    assert file.rows == ()
    with pytest.raises(StudyFaults, match="compressed, which can unpack to any size"):
        file.faults.raise_if_any()


def test_no_change_of_a_byte_is_an_error_of_the_program():
    whole = stream(POLES)
    chance = random.Random(3)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (file,) = parse_files({"x.arrow": bytes(damaged)}).values()
        assert file.rows or file.faults.count

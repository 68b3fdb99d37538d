"""No file takes more than a gigabyte of memory, or long; what is too large is said in one fault."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import LayerOutOfRange, StudyFaults
from backend.runs.requests import HIGHEST_LAYER, parse_layers
from backend.studies.importer import read_study
from backend.studies.parquet_footer import read_footer
from tests.studies.large_files import FILES

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_MEBI = 1000
# Twice and more what a quiet machine takes, for one that is not.
MOST_SECONDS = 10
WORDS = {
    "repeated text": "over 64 MiB of text, its repetitions unpacked",
    "repeated in lists": "over 64 MiB of text, its repetitions unpacked",
    "many in a list": "30,000,003 values in lists",
    "prefixed": "has the encoding DELTA_BYTE_ARRAY",
    "columns of parquet": "60,001 columns, lists and objects",
    "rows of parquet": "20,000,000 rows",
    "zip of newlines": "The zip unpacks to 1,900 MiB",
    "lying zip": "The zip is damaged",
    "entries of a zip": "too many files",
    "columns of csv": "60,000 columns",
    "keys of jsonl": "60,000 keys",
    "keys of all lines": "more than 1,000 columns",
    "a long value of jsonl": "The line has 60 MiB",
    "a long value of csv": "Unknown pole 'xxx",
    "a long key": "Unknown column 'kkk",
    "a large file": "The study is too large",
    "blank lines": "62,914,560 lines",
    "rows of csv": "7,000,001 lines",
    "short lines": "more than 200,000 records",
    "lists in lists": "The record has 2,000,",
    "cells of csv": "more than 2,000,000 cells",
    "open quotes": "Not CSV",
    "unlike faults": "Unknown pole",
    "rare signs": "",
}


@pytest.mark.long
@pytest.mark.slow
def test_memory_and_time_of_an_import_are_bounded():
    done = subprocess.run(
        [sys.executable, "-m", "tests.studies.large_files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {entry["name"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert found.keys() == FILES.keys() == WORDS.keys()
    for name, entry in found.items():
        assert WORDS[name] in entry["outcome"], entry
        assert len(entry["outcome"]) < 4000, name
        assert entry["mebi"] < MOST_MEBI, entry
        assert entry["seconds"] < MOST_SECONDS, entry


def test_layers_are_bounded_before_they_are_written_out():
    assert parse_layers(f"0-{HIGHEST_LAYER}")[-1] == HIGHEST_LAYER
    for text in ("0-9999999", "1000", "5,99999999999999999999", "1," * 10**6, "\u0663-\u0667"):
        with pytest.raises(LayerOutOfRange) as caught:
            parse_layers(text)
        assert len(str(caught.value)) < 500


def test_the_footer_of_parquet_is_read_as_pyarrow_reads_it():
    numbers = pa.array([0.5, None] * 50)
    chats = pa.array([[{"role": "user", "content": "a"}] * (i % 3) for i in range(100)])
    table = pa.table({"text": ["x", "y"] * 50, "score:a": numbers, "messages": chats})
    buffer = io.BytesIO()
    encoding = {"text": "DELTA_BYTE_ARRAY"}
    pq.write_table(table, buffer, 30, use_dictionary=["score:a"], column_encoding=encoding)
    footer, head = read_footer(buffer.getvalue()), pq.read_metadata(buffer)
    columns = [head.row_group(g).column(c) for g in range(head.num_row_groups) for c in range(4)]
    assert (footer.rows, footer.columns) == (100, 4) == (head.num_rows, head.num_columns)
    assert footer.values == sum(column.num_values for column in columns)
    assert footer.uncompressed == sum(column.total_uncompressed_size for column in columns)
    assert footer.texts == (0, 2, 3)
    assert footer.prefixed == ("text",) * head.num_row_groups
    for end in range(len(buffer.getvalue())):
        with pytest.raises(ValueError):
            read_footer(buffer.getvalue()[:end])


@pytest.mark.parametrize("name", ["keys of jsonl", "columns of csv", "repeated text"])
def test_what_is_too_large_is_one_fault(tmp_path, name):
    file_name, make = FILES[name]
    (tmp_path / file_name).write_bytes(make())
    with pytest.raises(StudyFaults) as caught:
        read_study(tmp_path, "large")
    (fault,) = caught.value.faults
    assert WORDS[name] in fault.what and fault.remedy

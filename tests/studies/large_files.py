"""Small files that unpack to much, and large ones: what an import must end soon.

Run as ``python -m tests.studies.large_files [NAME ...]``: makes each file in a process of its own,
imports it in another, and prints name, outcome, seconds of a processor and the import's peak of
memory in MiB as one line of JSON.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import StudyFaults
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study

MEBI = 2**20
GOOD = [{"trait": "a", "pole": pole, "text": text} for pole in ("high", "low") for text in "xy"]
GOOD = [row | {"text": row["pole"] + row["text"]} for row in GOOD]
HEADER = b"trait,pole,text\n"


def _parquet(**columns: list) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _repeated_text() -> bytes:
    # Written as a dictionary: the megabyte stands in the file once.
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 6000, pa.int32()), ["x" * MEBI])
    return _parquet(trait=["a"] * 6000, pole=["low"] * 6000, text=texts)


def _repeated_in_lists() -> bytes:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 9000, pa.int32()), ["x" * MEBI])
    lists = pa.ListArray.from_arrays(pa.array([0, 9000], pa.int32()), texts)
    return _parquet(trait=["a"], pole=["low"], text=["t"], more=lists)


def _many_in_a_list() -> bytes:
    numbers = pa.array([None] * 30_000_000, pa.int8())
    lists = pa.ListArray.from_arrays(pa.array([0, len(numbers)], pa.int32()), numbers)
    return _parquet(trait=["a"], pole=["low"], text=["t"], more=lists)


def _prefixed() -> bytes:
    buffer = io.BytesIO()
    text = "x" * MEBI
    table = pa.table({"trait": ["a"] * 100, "pole": ["low"] * 100, "text": [text] * 100})
    encodings = {"text": "DELTA_BYTE_ARRAY", "trait": "PLAIN", "pole": "PLAIN"}
    pq.write_table(table, buffer, use_dictionary=False, column_encoding=encodings)
    return buffer.getvalue()


def _zip(name: str, content: bytes, copies: int = 1) -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open(name, "w", force_zip64=True) as handle,
    ):
        for _ in range(copies):
            handle.write(content)
    return buffer.getvalue()


def _lying_zip() -> bytes:
    """A zip whose table of contents says that a file of 1.5 GiB has a kilobyte."""
    data = bytearray(_zip("prompts.jsonl", b"\n" * MEBI, 1500))
    at = data.rfind(b"PK\1\2")
    struct.pack_into("<L", data, at + 24, 1024)
    return bytes(data)


def _many_entries() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(120_000):
            archive.writestr(f"{number}", b"")
    return buffer.getvalue()


def _lines(*rows: dict) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _wide_rows() -> bytes:
    head = "trait,pole,text," + ",".join(f"c{i}" for i in range(900))
    return (head + "\n" + ("a,low,x" + "," * 900 + "\n") * 60_000).encode()


def _rare_signs() -> bytes:
    """As much text as is read, of which one sign makes every character take four bytes."""
    texts = ("😀" + "x" * 50_000 for _ in range(1250))
    return _lines(
        *({"trait": "a", "pole": "high", "text": f"{i}{text}"} for i, text in enumerate(texts)),
        *GOOD,
    )


# Name -> name of the file in the study's folder (or of the zip), and what makes it.
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "repeated text": ("prompts.parquet", _repeated_text),
    "repeated in lists": ("prompts.parquet", _repeated_in_lists),
    "many in a list": ("prompts.parquet", _many_in_a_list),
    "prefixed": ("prompts.parquet", _prefixed),
    "columns of parquet": (
        "prompts.parquet",
        lambda: _parquet(**{f"c{i}": [1] for i in range(60_000)}),
    ),
    "rows of parquet": ("prompts.parquet", lambda: _parquet(a=pa.array([0] * 20_000_000))),
    "zip of newlines": ("study.zip", lambda: _zip("prompts.jsonl", b"\n" * MEBI, 1900)),
    "lying zip": ("study.zip", _lying_zip),
    "entries of a zip": ("study.zip", _many_entries),
    "columns of csv": (
        "prompts.csv",
        lambda: ",".join(f"c{i}" for i in range(60_000)).encode() + b"\n" + b"1," * 59_999 + b"1",
    ),
    "keys of jsonl": ("prompts.jsonl", lambda: _lines({f"c{i}": 1 for i in range(60_000)})),
    "keys of all lines": (
        "prompts.jsonl",
        lambda: _lines(*({f"c{i}-{j}": 1 for j in range(60)} for i in range(1000))),
    ),
    "a long value of jsonl": (
        "prompts.jsonl",
        lambda: _lines(*GOOD, {"trait": "a", "pole": "x" * 60 * MEBI, "text": "t"}),
    ),
    "a long value of csv": (
        "prompts.csv",
        lambda: HEADER + b"a," + b"x" * 60 * MEBI + b",t\na," + b"y\n",
    ),
    "a long key": ("prompts.jsonl", lambda: _lines(*GOOD, {"k" * 7 * MEBI: 1})),
    "a large file": ("prompts.csv", lambda: HEADER + b"a,low,x\n" * 15_000_000),
    "blank lines": ("prompts.jsonl", lambda: b"\n" * 60 * MEBI),
    "rows of csv": ("prompts.csv", lambda: HEADER + b"a,low,x\n" * 7_000_000),
    "short lines": ("prompts.jsonl", lambda: b"{}\n" * 3_900_000),
    "lists in lists": (
        "prompts.jsonl",
        lambda: (b'{"text": [' + b"[]," * 2_000_000 + b"[]]}\n") * 9,
    ),
    "cells of csv": ("prompts.csv", _wide_rows),
    "open quotes": ("prompts.csv", lambda: HEADER + b'a,low,"x\na,"low",y"z\n' * 900_000),
    "unlike faults": (
        "prompts.jsonl",
        lambda: _lines(
            *({"trait": f"t{i}", "pole": "up" * (i % 40), "text": i} for i in range(199_000))
        ),
    ),
    "rare signs": ("prompts.jsonl", _rare_signs),
}


def _apart(work: Callable[[], str]) -> tuple[str, float]:
    """What ``work`` returns in a process of its own, and that process's peak of memory in MiB."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as handle:
            handle.write(work())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as handle:
        said = handle.read()
    _, status, usage = os.wait4(child, 0)
    assert status == 0, said
    return said, usage.ru_maxrss / 1024


def _import(path: Path) -> str:
    try:
        return content_hash(read_study(path if path.suffix == ".zip" else path.parent, "large"))
    except StudyFaults as fault:
        return str(fault)


def _worked() -> float:
    """Seconds that a processor worked for processes that have ended: what else runs adds none."""
    times = os.times()
    return times.children_user + times.children_system


def main(names: Sequence[str]) -> None:
    """Make and import files and print what became of them."""
    for name in names or FILES:
        file_name, make = FILES[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file_name
            _apart(lambda path=path, make=make: str(path.write_bytes(make())))
            before = _worked()
            outcome, peak = _apart(lambda path=path: _import(path))
            seconds = _worked() - before
            found = {"name": name, "bytes": path.stat().st_size, "outcome": outcome}
            print(json.dumps(found | {"seconds": seconds, "mebi": peak}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

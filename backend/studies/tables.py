"""Rows with line numbers, out of a file in one of the registered formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from backend.studies.faults import FaultList, nearest


@dataclass(frozen=True)
class Row:
    """One record.

    Attributes:
        line: line it starts on (text files, from 1) or data row (parquet, from 1).
        values: column -> value; None where the cell is empty or null.
    """

    line: int
    values: dict[str, Any]


def read_rows(name: str, content: bytes, faults: FaultList) -> list[Row]:
    """All readable records of a file; what is unreadable becomes a fault.

    Args:
        name: file name; its ending tells the format.
        content: its bytes.
        faults: told of everything wrong.
    """
    read = next(form.read for form in FORMATS if name.endswith(form.suffix))
    found = read(name, content, faults)
    if found is None:
        return []
    rows = list(found)
    if not rows:
        faults.add(name, None, "The file holds no readable record.", "Add at least one row.")
    return rows


def check_columns(
    name: str,
    rows: Sequence[Row],
    required: Sequence[str],
    optional: Sequence[str],
    faults: FaultList,
    prefix: str = "",
) -> list[Row]:
    """Rows that have every required column; missing and unknown columns become faults, once.

    Args:
        name: file name.
        rows: from :func:`read_rows`.
        required: columns that every row needs.
        optional: columns that may be there.
        faults: told of everything wrong.
        prefix: columns that start with this are allowed too; empty for none.
    """
    known = {*required, *optional}
    unknown: set[str] = set()
    good = []
    for row in rows:
        for column in row.values:
            allowed = column in known or (prefix and column.startswith(prefix))
            if not allowed and column not in unknown:
                unknown.add(column)
                remedy = f"{nearest(column, known)} Rename or remove it."
                faults.add(name, row.line, f"Unknown column {column!r}.", remedy)
        missing = [column for column in required if row.values.get(column) is None]
        if missing:
            listed = ", ".join(repr(column) for column in missing)
            faults.add(name, row.line, f"No value for {listed}.", "Fill it in.")
        else:
            good.append(row)
    return good


def text_of(name: str, row: Row, column: str, faults: FaultList) -> str | None:
    """The row's text in a column, or None after noting that it is no text or empty."""
    value = row.values.get(column)
    if not isinstance(value, str):
        faults.add(name, row.line, f"{column} is {value!r}, not text.", "Write it as a string.")
        return None
    if not value.strip():
        faults.add(name, row.line, f"{column} is empty.", "Fill it in, or remove the row.")
        return None
    return value


def name_of(name: str, row: Row, column: str, faults: FaultList) -> str | None:
    """The row's name in a column, a whole number being one too, or None after noting what else
    it is."""
    value = row.values.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(name, row, column, faults)


def _jsonl(name: str, content: bytes, faults: FaultList) -> Iterator[Row] | None:
    text = _decode(name, content, faults)
    return None if text is None else _jsonl_rows(name, text, faults)


def _csv(name: str, content: bytes, faults: FaultList) -> Iterator[Row] | None:
    text = _decode(name, content, faults)
    return None if text is None else _csv_rows(name, text, faults)


def _decode(name: str, content: bytes, faults: FaultList) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        faults.add(
            name,
            line,
            f"Byte 0x{content[fault.start]:02x} is not UTF-8.",
            "Save the file with UTF-8 encoding.",
        )
        return None


def _jsonl_rows(name: str, text: str, faults: FaultList) -> Iterator[Row]:
    # Split at newlines alone: other line separators may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_unique)
        except ValueError as fault:
            faults.add(name, number, f"Not JSON: {fault}.", "Write one JSON object per line.")
            continue
        if not isinstance(value, dict):
            kind = type(value).__name__
            faults.add(name, number, f"A {kind}, not an object.", "Write one object per line.")
            continue
        yield Row(number, value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return values


def _csv_rows(name: str, text: str, faults: FaultList) -> Iterator[Row]:
    # Conversations in a cell may be longer than the csv module's default limit.
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            start, line = line, reader.line_num + 1
            if not fields:
                continue
            if header is None:
                header = [field.strip() for field in fields]
                twice = sorted({field for field in header if header.count(field) > 1})
                if twice:
                    faults.add(name, start, f"Column {twice[0]!r} stands twice.", "Remove one.")
                    return
            elif len(fields) != len(header):
                faults.add(
                    name,
                    start,
                    f"{len(fields)} fields where the header has {len(header)}.",
                    "Quote fields that contain commas or line breaks.",
                )
            else:
                yield Row(start, {k: v or None for k, v in zip(header, fields, strict=True)})
    except csv.Error as fault:
        faults.add(name, line, f"Not CSV: {fault}.", "Check the quotes from this line on.")


def _parquet_rows(name: str, content: bytes, faults: FaultList) -> list[Row]:
    try:
        records = pq.read_table(io.BytesIO(content)).to_pylist()
    except (pa.ArrowException, OSError) as fault:
        reason = str(fault).splitlines()[0]
        faults.add(name, None, f"Not a parquet file: {reason}.", "Write it again as parquet.")
        return []
    return [Row(number, record) for number, record in enumerate(records, start=1)]


@dataclass(frozen=True)
class FileFormat:
    """How a table of a study may be written.

    Attributes:
        suffix: end of the file's name.
        read: gets the file's name, its bytes and the list of faults; its rows, or None where
            nothing of the file can be read, which it has then told of.
    """

    suffix: str
    read: Callable[[str, bytes, FaultList], Iterable[Row] | None]


# A new format is a function like those above and one line here.
FORMATS: list[FileFormat] = [
    FileFormat(".jsonl", _jsonl),
    FileFormat(".csv", _csv),
    FileFormat(".parquet", _parquet_rows),
]

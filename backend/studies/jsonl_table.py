"""Rows of a jsonl file."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from backend.studies.encoding import as_utf8, without_marks
from backend.studies.faults import FaultList, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.limits import (
    MOST_LINE_BYTES,
    MOST_RECORD_VALUES,
    MOST_ROWS,
    MOST_VALUES,
    TooLarge,
    size,
)
from backend.studies.rows import Record

_REMEDY = "Write one JSON object per line."
_ARRAY_REMEDY = "Write one object per line, without [ ] around them and without commas between."


def read_jsonl(name: str, content: bytes, faults: FaultList) -> Iterator[Record] | None:
    """The records of a jsonl file; None where nothing of it can be read. See ``FileFormat``."""
    data = as_utf8(name, content, faults)
    if data is None:
        return None
    start = data.lstrip()[:1000].split(b"\n")[0].strip()
    if start[:1] == b"[":
        faults.add(name, 1, "The file is one JSON array, not one object per line.", _ARRAY_REMEDY)
        return None
    if start == b"{":
        faults.add(name, 1, "An object is spread over several lines.", _REMEDY)
        return None
    return _rows(name, data, faults)


def _rows(name: str, data: bytes, faults: FaultList) -> Iterator[Record]:
    # Split at newlines alone: other line separators may stand inside a JSON string.
    rows = values = 0
    for number, marked in enumerate(_lines(data), start=1):
        raw = without_marks(marked)  # files that were joined have more than one
        if not raw.strip():
            continue
        rows += 1
        if rows > MOST_ROWS:
            raise TooLarge(
                f"There are more than {MOST_ROWS:,} records.", "Split the study.", number
            )
        if len(raw) > MOST_LINE_BYTES:
            faults.add(
                name,
                number,
                "The line has {}.",
                f"At most {size(MOST_LINE_BYTES)} are read: {_REMEDY}",
                size(len(raw)),
            )
            continue
        try:
            value = _parse(raw.decode())
            count = count_values(value)
        except JsonFault as fault:
            faults.add(name, number, fault.what, fault.remedy or _REMEDY, fault.value)
            continue
        if count > MOST_RECORD_VALUES:
            what = f"The record has {count:,} values."
            raise TooLarge(what, f"At most {MOST_RECORD_VALUES:,} are read: split it.", number)
        values += count
        if values > MOST_VALUES:
            raise TooLarge(
                f"There are more than {MOST_VALUES:,} values.", "Split the study.", number
            )
        if not isinstance(value, dict):
            kind = type(value).__name__
            faults.add(name, number, f"A {kind}, not an object: {{}}.", _REMEDY, shown(value))
            continue
        yield Record(number, value)


def _lines(data: bytes) -> Iterator[bytes]:
    """Lines, also those that end in a carriage return alone beside others that end in a newline.

    One inside a record, where JSON has it as white space, ends none.
    """
    for raw in io.BytesIO(data):
        pieces = raw.rstrip().split(b"\r")
        if len(pieces) > 1 and all(p.startswith((b"{", codecs.BOM_UTF8)) for p in pieces if p):
            try:
                parse_json(raw[:MOST_LINE_BYTES].decode("utf-8", "ignore"))
            except JsonFault:
                yield from pieces
                continue
        yield raw


def _parse(line: str) -> object:
    try:
        return parse_json(line)
    except JsonFault as fault:
        text = line.rstrip()
        if not text.endswith(","):
            raise
        try:
            parse_json(text[:-1])
        except JsonFault:
            raise fault from None
        raise JsonFault("A comma stands after the object.") from None

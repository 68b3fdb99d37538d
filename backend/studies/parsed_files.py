"""The files of a study of which no more is known than their endings, each parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from backend.studies.encoding import as_utf8
from backend.studies.faults import FaultList
from backend.studies.json_text import (
    JsonFault,
    checked_items,
    count_values,
    parse_items,
    parse_json,
)
from backend.studies.limits import MOST_ROWS, MOST_VALUES, TooLarge
from backend.studies.parquet_table import read_arrow
from backend.studies.rows import Record
from backend.studies.tables import FORMATS, read_rows

# Endings of files in which such a study may lie.
SUFFIXES = (*(form.suffix for form in FORMATS), ".json", ".arrow", ".txt")
# One part of a table that Hugging Face's save_to_disk has written in several.
_SHARD = re.compile(r"(?P<before>(?:.*/)?data)-[0-9]{5}-of-[0-9]{5}\.arrow")


@dataclass(frozen=True)
class Parsed:
    """A file of which no more is known than its ending.

    Attributes:
        path: below the folder, with slashes.
        value: of JSON; the text of a .txt; None of a table, and where it is no JSON.
        rows: records of a table, or of a JSON array of objects, each with its line; empty where it
            is neither.
        faults: why it cannot be read. They count for whoever needs this file.
        too_large: whether it is JSON beyond a limit, which is a fault of any study.
    """

    path: str
    value: object
    rows: tuple[Record, ...]
    faults: FaultList
    too_large: bool = False

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column of the rows, in the order they are met."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row.values))


# Files by their paths.
Files = Mapping[str, Parsed]


def parse_files(contents: Mapping[str, bytes]) -> dict[str, Parsed]:
    """Every file parsed, by its path; the parts of one Arrow table are one file, ``data.arrow``.

    Args:
        contents: path -> content, of endings in ``SUFFIXES``.
    """
    found: dict[str, Parsed] = {}
    for path, content in contents.items():
        file = _parsed(path, content)
        shard = _SHARD.fullmatch(path)
        if shard is not None:
            file = _joined(f"{shard['before']}.arrow", found, file)
        found[file.path] = file
    return found


def _joined(path: str, found: Mapping[str, Parsed], part: Parsed) -> Parsed:
    """The parts of a table so far, with one more."""
    before = found.get(path)
    rows = before.rows if before is not None else ()
    if before is not None:
        part.faults.extend(before.faults)
    more = (Record(len(rows) + row.line, row.values) for row in part.rows)
    return Parsed(path, None, (*rows, *more), part.faults)


def _parsed(path: str, content: bytes) -> Parsed:
    faults = FaultList()
    if path.endswith(".txt"):
        data = None
        try:
            data = as_utf8(path, content, faults)
        except TooLarge as fault:
            faults.add(path, None, fault.what, fault.remedy)
        return Parsed(path, None if data is None else data.decode(), (), faults)
    if path.endswith(".arrow"):
        try:
            arrow = read_arrow(path, content, faults)
        except TooLarge as fault:
            faults.add(path, None, fault.what, fault.remedy)
            arrow = None
        return Parsed(path, None, tuple(arrow or ()), faults)
    if not path.endswith(".json"):
        rows = read_rows(path, content, faults)
        return Parsed(path, None, tuple(rows or ()), faults)
    items: list[tuple[int, object]] = []
    value: object = None
    try:
        data = as_utf8(path, content, faults)
        if data is None:
            return Parsed(path, None, (), faults)
        text = data.decode()
        if text.lstrip().startswith("["):
            items = parse_items(text)
            value = [item for _, item in items]
        else:
            value = parse_json(text)
        if (
            len(items) > MOST_ROWS
            or (checked_items(items, count_values) if items else count_values(value)) > MOST_VALUES
        ):
            raise TooLarge(
                f"The file holds more than {MOST_ROWS:,} records or {MOST_VALUES:,} values.",
                "Split it.",
            )
    except JsonFault as fault:
        faults.add(path, fault.line, fault.what, fault.remedy or "Write JSON.", fault.value)
    except TooLarge as fault:
        faults.add(path, None, fault.what, fault.remedy)
        return Parsed(path, None, (), faults, too_large=True)
    if faults.count:
        return Parsed(path, None, (), faults)
    return Parsed(path, value, _rows_of(items), faults)


def _rows_of(items: Sequence[tuple[int, object]]) -> tuple[Record, ...]:
    """Records of a JSON array; none where an item is no object.

    Each has the line on which it begins, or its number where several begin on one line.
    """
    lines = [line for line, _ in items]
    apart = len(set(lines)) == len(lines)
    rows = tuple(
        Record(line if apart else number, item)
        for number, (line, item) in enumerate(items, start=1)
        if isinstance(item, dict)
    )
    return rows if len(rows) == len(items) else ()

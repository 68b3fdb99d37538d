"""Rows of a csv file, also as spreadsheets write it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from backend.studies.encoding import as_utf8
from backend.studies.faults import FaultList, shown
from backend.studies.json_text import JsonFault, parse_json
from backend.studies.limits import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, TooLarge
from backend.studies.rows import Record
from backend.studies.scores import add_unsure_point, unsure_points

# Columns of scores: this and the trait.
SCORE_PREFIX = "score:"
# What may separate fields; the comma where the header can be split by several equally well.
_DELIMITERS = (",", ";", "\t", "|")
# The line by which a spreadsheet is told the separator.
_SEPARATOR_LINE = re.compile(r' *"?sep *= *([^ ])"?\s*', re.IGNORECASE)
_HEADER_LOOK = 2**16
# Lines below a title that are compared.
_MOST_BELOW = 20
# After a quote that is never closed, reading goes on from the next line this often; after text
# behind a quote, this often.
_RESTARTS = 10
_MOST_QUOTE_FAULTS = 1_000
_INDEX = re.compile(r"|Unnamed: [0-9]+")
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")
# Could as well be a number of thousands.
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}\s*")
# Carriage returns that end a line by themselves; before a newline they are part of its end.
_RETURNS = r"(?<!\r)\r++(?!\n)"
_RETURN = re.compile(_RETURNS)
_RETURN_BYTES = re.compile(_RETURNS.encode())
_LINE_END = re.compile(rf"\n|{_RETURNS}".encode())
_QUOTES_REMEDY = "Close each quote before a separator, and double the quotes inside a field."


@dataclass(frozen=True)
class _Record:
    """One record. Attributes: the line it starts on, and its fields."""

    line: int
    fields: list[str]


def read_csv(name: str, content: bytes, faults: FaultList) -> list[Record] | None:
    """The records of a csv file; None where nothing of it can be read. See ``FileFormat``.

    The separator is a comma, a semicolon, a tab or a bar, whichever splits the header best. Empty
    rows, columns without name and content at the right, and a column without name that numbers the
    rows are left out. In a file separated by semicolons a score may have a decimal comma.
    """
    data = as_utf8(name, content, faults)
    if data is None:
        return None
    # Conversations in a cell may be longer than the csv module's default limit.
    csv.field_size_limit(2**31 - 1)
    # The csv module takes no line end inside a line, and a header has none that matters here.
    head = re.split(r"\r\n|\r|\n", data[:_HEADER_LOOK].decode("utf-8", "ignore"))
    if len(data) > _HEADER_LOOK and len(head) > 1:
        head.pop()  # cut off
    delimiter, skipped = _delimiter(head)
    problem = _problem_at_top(head, delimiter, skipped)
    if problem is not None:
        faults.add(name, *problem)
        return None
    records = _records(name, data, delimiter, skipped, faults)
    header = next((record for record in records if any(map(str.strip, record.fields))), None)
    if header is None:
        return []
    columns = _columns(name, header, faults)
    if columns is None:
        return None
    rows = list(_filled(name, columns, records, faults))
    if delimiter == ";":
        rows = _with_decimal_points(name, rows, faults)
    return _without_index(name, columns, rows, faults)


def _delimiter(head: Sequence[str]) -> tuple[str, int]:
    """The separator, and how many lines at the top only name it. Args: the first lines."""
    named = _SEPARATOR_LINE.fullmatch(head[0])
    if named:
        return named[1], 1
    return _best_delimiter(next((line for line in head if line.strip()), "")), 0


def _best_delimiter(line: str) -> str:
    """What splits a line into most fields."""
    return max(_DELIMITERS, key=lambda sign: _fields(line, sign))


def _fields(line: str, delimiter: str) -> int:
    """How many fields a line has."""
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _problem_at_top(
    head: Sequence[str], delimiter: str, skipped: int
) -> tuple[int, str, str] | None:
    """Line, fault and remedy where the first lines say that the rest is no table below a header.

    Args:
        head: the first lines.
        delimiter: what separates fields, as far as is known.
        skipped: how many lines at the top only name it.
    """
    filled = [(n, line) for n, line in enumerate(head, start=1) if n > skipped and line.strip()]
    if delimiter not in _DELIMITERS:
        what = f"The line says that {delimiter!r} separates fields."
        return 1, what, "Separate them by commas, semicolons, tabs or bars."
    if not filled:
        return None
    at, first = filled[0]
    best = _best_delimiter(first)
    if skipped and _fields(first, delimiter) == 1 < _fields(first, best):
        what = f"The line says that {delimiter!r} separates fields, and line {at} has {best!r}."
        return 1, what, f"Write {f'sep={best}'!r}, or remove the line."
    if first.lstrip().startswith('{"') and _is_object(first):
        return at, "The file holds JSON, not CSV.", "Let its name end in .jsonl."
    below = [line for _, line in filled[1 : 1 + _MOST_BELOW]]
    if skipped or not below or _fields(first, best) > 1:
        return None
    # Prose may hold commas: in a table all rows, of which the last may be cut, are equally wide.
    records = list(csv.reader(below, delimiter=_best_delimiter(below[0])))
    counts = {len(record) for record in (records[:-1] if len(records) > 2 else records)}
    if len(records) > 1 and len(counts) == 1 and min(counts) > 2:
        what = f"The line is {shown(first)}, and each row below it has {min(counts)} fields."
        return at, what, "Remove what stands above the names of the columns."
    return None


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except JsonFault:
        return False


def _records(
    name: str, data: bytes, delimiter: str, skipped: int, faults: FaultList
) -> Iterator[_Record]:
    """Records with their first lines; after a fault of quotes, reading goes on in the next line."""
    mixed = _RETURN_BYTES.search(data) is not None
    position = line = 0

    def lines() -> Iterator[str]:
        nonlocal line, position
        while position < len(data):
            raw = data[position : _line_end(data, position, mixed)]
            position += len(raw)
            line += max(1, len(raw) - len(raw.rstrip(b"\r")))
            yield raw.decode()

    for _ in range(skipped):
        next(lines(), None)
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    restarts = wrong = count = 0
    while True:
        start, offset = line, position
        try:
            fields = next(reader, None)
        except csv.Error as fault:
            # Another parser accepts white space after a closing quote, as spreadsheets do.
            lenient, stop = _lenient(data, offset, delimiter)
            if lenient is None:
                what = f"Not CSV: {fault}."
                faults.add(name, start + 1, what, _QUOTES_REMEDY)
                wrong += 1
                restarts += "unexpected end" in str(fault)
                stop = _line_end(data, offset, mixed)
                if restarts > _RESTARTS or wrong > _MOST_QUOTE_FAULTS:
                    return
            position = stop
            line = start + data.count(b"\n", offset, stop) + (data[stop - 1 : stop] == b"\r")
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
            fields = lenient or []
        if fields is None:
            return
        if mixed:  # those inside quotes are text
            line -= sum(len(found) for field in fields for found in _RETURN.findall(field))
        count += len(fields)
        if count > MOST_CELLS:
            what = f"There are more than {MOST_CELLS:,} cells."
            raise TooLarge(what, "Split the study, or leave columns out.", start + 1)
        if fields:
            yield _Record(start + 1, fields)


def _line_end(data: bytes, start: int, mixed: bool) -> int:
    """Where a line ends. Args: mixed: whether carriage returns alone end lines beside newlines."""
    if not mixed:
        return data.find(b"\n", start) + 1 or len(data)
    found = _LINE_END.search(data, start)
    return len(data) if found is None else found.end()


@cache
def _lenient_record(delimiter: str) -> re.Pattern[bytes]:
    """A record whose closing quotes may be followed by white space."""
    stop = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"[ \t]*+|[^"{stop}\r\n][^{stop}\r\n]*+)?'
    return re.compile(rf"{field}(?:{stop}{field})*+(?:\r?\n|\r|\Z)".encode())


def _lenient(data: bytes, offset: int, delimiter: str) -> tuple[list[str] | None, int]:
    """A record whose closing quotes may be followed by white space, and where it ends."""
    found = _lenient_record(delimiter).match(data, offset)
    if found is None:
        return None, offset
    text = found[0].decode()
    fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), None)
    return fields, found.end()


def _columns(name: str, header: _Record, faults: FaultList) -> list[str] | None:
    """Names of the columns without empty ones at the right; None after a fault."""
    columns = [field.strip() for field in header.fields]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MOST_COLUMNS:
        what = f"The file has {len(columns):,} columns."
        remedy = f"At most {MOST_COLUMNS:,} are read: keep those of docs/studies.md."
        raise TooLarge(what, remedy, header.line)
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        said = f"Column {shown(twice[0])} stands twice." if twice[0] else "Columns have no name."
        faults.add(name, header.line, said, "Remove one, or rename it.")
        return None
    return columns


def _filled(
    name: str, columns: Sequence[str], records: Iterator[_Record], faults: FaultList
) -> Iterator[Record]:
    """Rows of the records that are not empty and fit the header."""
    wide = len(columns)
    count = 0
    for record in records:
        fields = record.fields
        if len(fields) > wide and not any(map(str.strip, fields[wide:])):
            fields = fields[:wide]
        if not any(map(str.strip, fields)):
            continue
        if fields[0].startswith("\ufeff"):
            what = "A byte order mark stands before the row, as where files were joined."
            remedy = "Remove it, and the header where it is repeated."
            faults.add(name, record.line, what, remedy)
            continue
        count += 1
        if count > MOST_ROWS:
            what = f"There are more than {MOST_ROWS:,} rows."
            raise TooLarge(what, "Split the study.", record.line)
        if len(fields) != wide:
            faults.add(
                name,
                record.line,
                f"{{}} fields where the header has {wide}.",
                "Quote fields that contain separators or line breaks.",
                str(len(fields)),
            )
        else:
            yield Record(record.line, {k: v or None for k, v in zip(columns, fields, strict=True)})


def _without_index(
    name: str, columns: Sequence[str], rows: list[Record], faults: FaultList
) -> list[Record]:
    """The rows without a first column that has no name and numbers them."""
    first = columns[0]
    if not _INDEX.fullmatch(first):
        return rows
    numbers = [row.values[first] for row in rows]
    if all(n is not None and _WHOLE.fullmatch(n) for n in numbers):
        what = "The first column has no name and numbers the rows: it is left out."
        faults.note(name, None, what, "Save the table without its index to leave it out yourself.")
        for row in rows:
            del row.values[first]
    return rows


def _with_decimal_points(name: str, rows: list[Record], faults: FaultList) -> list[Record]:
    """Decimal commas of scores as points, in columns where they can be nothing else.

    Beside them a point may mark thousands (1.500): such scores are faults, and left out.
    """
    columns = {c for row in rows for c in row.values if c.lower().startswith(SCORE_PREFIX)}
    unsure: dict[str, frozenset[str]] = {}
    any_comma = False
    for column in columns:
        cells = [cell for row in rows if (cell := row.values.get(column)) is not None]
        unsure[column] = unsure_points(cells)
        commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
        points = any(
            "." in cell and cell not in unsure[column] and any(map(str.isdigit, cell))
            for cell in cells
        )
        if points or all(map(_THOUSANDS.fullmatch, commas)):
            continue
        any_comma = True
        for row in rows:
            cell = row.values.get(column)
            if cell is not None and _DECIMAL_COMMA.fullmatch(cell):
                row.values[column] = cell.replace(",", ".")
    for column in sorted(columns) if any_comma else ():
        trait = column[len(SCORE_PREFIX) :].strip()
        for row in rows:
            cell = row.values.get(column)
            if cell in unsure[column]:
                add_unsure_point(name, row.line, trait, cell, faults)
                row.values[column] = None
    return rows

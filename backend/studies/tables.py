"""Rows with line numbers, out of a file in one of the registered formats."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.studies.csv_table import read_csv
from backend.studies.faults import FaultList, near_name, nearest, shown
from backend.studies.jsonl_table import read_jsonl
from backend.studies.limits import MOST_COLUMNS, MOST_TEXT, TooLarge
from backend.studies.parquet_table import read_parquet
from backend.studies.rows import Record

# Halves of surrogate pairs, which no UTF-8 can hold.
_HALVES = re.compile("[\ud800-\udfff]")
# Soft hyphens, joiners, marks of direction and the like, which show nothing.
_WIDTHLESS = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0001\U000e0020-\U000e007f"
)
_NO_WIDTH = re.compile(f"[{_WIDTHLESS}]+")
_SEEN = re.compile(rf"[^\s{_WIDTHLESS}]")
# Unknown columns that are reported one by one; more are listed together.
_FEW = 5


def read_rows(name: str, content: bytes, faults: FaultList) -> list[Record] | None:
    """All readable records of a file; what is unreadable becomes a fault.

    Args:
        name: file name; its ending tells the format.
        content: its bytes.
        faults: told of everything wrong.

    Returns:
        The records; None where none could be read, so that nothing is known of the table.
    """
    read = next(form.read for form in FORMATS if name.endswith(form.suffix))
    before = faults.count
    try:
        found = read(name, content, faults)
        if found is None:
            return None
        rows = list(found)
    except TooLarge as fault:
        faults.add(name, fault.line, fault.what, fault.remedy)
        return None
    if rows:
        return rows
    if faults.count == before:
        faults.add(name, None, "The file holds no readable record.", "Add at least one row.")
    return None


def check_columns(
    name: str,
    rows: Sequence[Record],
    required: Sequence[str],
    optional: Sequence[str],
    faults: FaultList,
    prefix: str = "",
    meant: Callable[[str], str | None] = lambda column: None,
) -> list[Record]:
    """Rows that have every required column; missing and unknown columns become faults, once.

    A column whose name differs from a known one by case or white space only is that column.

    Args:
        name: file name.
        rows: from :func:`read_rows`.
        required: columns that every row needs.
        optional: columns that may be there.
        faults: told of everything wrong.
        prefix: columns that start with this are allowed too; empty for none.
        meant: gets an unknown column; how the caller would have it written, None where it does
            not know it either.
    """
    known = {*required, *optional}
    first_at = _first_lines(name, rows, faults)
    if first_at is None:
        return []
    renamed = _renamed(first_at, known, prefix)
    if renamed:
        rows = [
            Record(row.line, {renamed.get(c, c): value for c, value in row.values.items()})
            for row in rows
        ]
        first_at = {renamed.get(column, column): line for column, line in first_at.items()}
    unknown = {
        column: line
        for column, line in first_at.items()
        if column not in known and not (prefix and column.startswith(prefix))
    }
    missing = [column for column in required if column not in first_at]
    if missing:
        # Names the columns that are there: an unknown one is probably the missing one.
        _add_missing(name, rows[0].line if rows else None, missing, first_at, faults)
        return []
    there = set(map(repr, first_at))
    known_to_caller = {
        c: said for c in unknown if (said := meant(c)) is not None and said not in there
    }
    _add_meant(name, unknown, known_to_caller, faults)
    _add_unknown(
        name, {c: line for c, line in unknown.items() if c not in known_to_caller}, known, faults
    )
    good = []
    for row in rows:
        empty = [column for column in required if row.values.get(column) is None]
        if empty:
            listed = ", ".join(repr(column) for column in empty)
            faults.add(name, row.line, f"No value for {listed}.", "Fill it in.")
        else:
            good.append(row)
    return good


def _first_lines(name: str, rows: Sequence[Record], faults: FaultList) -> dict[str, int] | None:
    """Column -> line where it is first met; None after a fault: there are too many."""
    first_at: dict[str, int] = {}
    for row in rows:
        for column in row.values:
            first_at.setdefault(column, row.line)
        if len(first_at) > MOST_COLUMNS:
            faults.add(
                name,
                row.line,
                f"The file has more than {MOST_COLUMNS:,} columns.",
                "Keep those of docs/studies.md.",
            )
            return None
    return first_at


def _renamed(columns: Iterable[str], known: set[str], prefix: str) -> dict[str, str]:
    """Column -> the known name that it is but for case and white space."""
    there = set(columns)
    renamed: dict[str, str] = {}
    for column in there - known:
        plain = column.strip()
        lower = plain.lower()
        if prefix and lower.startswith(prefix):
            wanted = prefix + plain[len(prefix) :].strip()
        elif lower in known:
            wanted = lower
        else:
            continue
        if wanted != column and wanted not in there and wanted not in renamed.values():
            renamed[column] = wanted
    return renamed


def _add_missing(
    name: str, line: int | None, missing: Sequence[str], there: Iterable[str], faults: FaultList
) -> None:
    columns = sorted(there)
    hints = []
    for column in missing:
        near = near_name(column, columns)
        if near is not None:
            hints.append(f"did you mean {shown(near)} for {column!r}?")
    listed = ", ".join(shown(column) for column in columns[:10])
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    noun = "is no column" if len(missing) == 1 else "are no columns"
    faults.add(
        name,
        line,
        f"There {noun} {', '.join(map(repr, missing))}; there are {listed or 'none'}{more}.",
        " ".join(["Add or rename it;", *hints])
        if hints
        else "Name the columns in the first line, or the keys of each object, as docs/studies.md "
        "says.",
    )


def _add_meant(
    name: str, lines: Mapping[str, int], meant: Mapping[str, str], faults: FaultList
) -> None:
    """One fault for all unknown columns of which it is known what they should be."""
    if not meant:
        return
    noun = "column" if len(meant) == 1 else "columns"
    more = f" and {len(meant) - _FEW} more" if len(meant) > _FEW else ""
    wanted = list(dict.fromkeys(meant.values()))
    rest = " ..." if len(wanted) > _FEW else ""
    faults.add(
        name,
        min(lines[column] for column in meant),
        f"Unknown {noun} {', '.join(map(shown, list(meant)[:_FEW]))}{more}.",
        f"Did you mean {', '.join(wanted[:_FEW])}{rest}? Rename or remove "
        f"{'it' if len(meant) == 1 else 'them'}.",
    )


def _add_unknown(name: str, unknown: dict[str, int], known: set[str], faults: FaultList) -> None:
    if len(unknown) > _FEW:
        listed = ", ".join(map(shown, list(unknown)[:_FEW]))
        faults.add(
            name,
            min(unknown.values()),
            f"Unknown columns {listed} and {len(unknown) - _FEW} more.",
            f"Known are {', '.join(sorted(known))}. Rename or remove them.",
        )
        return
    for column, line in unknown.items():
        what = f"Unknown column {shown(column)}." if column else "A column has no name."
        faults.add(name, line, what, f"{nearest(column, known)} Rename or remove it.")


def text_of(name: str, row: Record, column: str, faults: FaultList) -> str | None:
    """The row's text in a column, or None after noting that it is no text that can be kept."""
    value = row.values.get(column)
    if not isinstance(value, str):
        faults.add(
            name, row.line, f"{column} is {{}}, not text.", "Write it as a string.", shown(value)
        )
        return None
    if _SEEN.search(value) is None:
        said = "holds nothing that is seen" if value.strip() else "is empty"
        faults.add(name, row.line, f"{column} {said}.", "Fill it in, or remove the row.")
        return None
    problem = text_problem(value)
    if problem is not None:
        faults.add(name, row.line, f"{column} {problem}.", "Write it again without, or shorten it.")
        return None
    return value


def as_seen(text: str) -> str:
    """A text without what nobody sees: ways of white space, normalisation and signs of no width."""
    return " ".join(_NO_WIDTH.sub("", unicodedata.normalize("NFC", text)).split())


def text_problem(text: str) -> str | None:
    """What keeps a text that is not empty from being kept; None if nothing."""
    if "\0" in text:
        return "holds a NUL character"
    if len(text) > MOST_TEXT:
        return f"has more than {MOST_TEXT:,} characters"
    if _HALVES.search(text):
        return "holds half of a character"
    return None


@dataclass(frozen=True)
class FileFormat:
    """How a table of a study may be written.

    Attributes:
        suffix: end of the file's name.
        read: gets the file's name, its bytes and the list of faults; its rows, or None where
            nothing of the file can be read, which it has then told of. It may raise ``TooLarge``.
    """

    suffix: str
    read: Callable[[str, bytes, FaultList], Iterable[Record] | None]


# A new format is a function like these and one line here.
FORMATS: list[FileFormat] = [
    FileFormat(".jsonl", read_jsonl),
    FileFormat(".csv", read_csv),
    FileFormat(".parquet", read_parquet),
]

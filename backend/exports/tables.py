"""The tables of a run or a study as CSV and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import ExportError
from backend.settings import Settings
from backend.store.connection import Connection, reading
from backend.store.study import find_study

Format = Literal["csv", "parquet"]
FORMATS: tuple[Format, Format] = ("csv", "parquet")

# A pooled activation is d numbers: as text they are several times their size and unreadable, so
# these tables come only in Parquet.
ACTIVATIONS = ("prompt_activations", "response_activations")
# Inner products of activations, from which the lab computes: large, and derived from the above.
PRODUCTS = ("gram", "alignment", "moments", "moment_totals")
_SAMPLE = 50


@dataclass(frozen=True)
class Source:
    """Where tables come from.

    Attributes:
        kind: ``run`` or ``study``.
        name: id of the run, or name or ``name@hash`` of the study.
    """

    kind: Literal["run", "study"]
    name: str


@dataclass(frozen=True)
class Table:
    """One table, before it is written.

    Attributes:
        name: as in docs/tables.md.
        rows: how many.
        columns: their names.
        csv_bytes: about the size as CSV, from its first rows; None where CSV is not offered.
        parquet_bytes: more than the size as Parquet, which is compressed.
    """

    name: str
    rows: int
    columns: tuple[str, ...]
    csv_bytes: int | None
    parquet_bytes: int

    def bytes_as(self, form: Format) -> int | None:
        """The expected size in a format; None where it is not offered."""
        return self.csv_bytes if form == "csv" else self.parquet_bytes


def list_tables(settings: Settings, source: Source) -> tuple[Table, ...]:
    """The tables of a run or study, by name.

    Raises:
        RunNotFound, StudyNotFound, UnreadableFile: it cannot be read.
    """
    with _reading(settings, source) as connection:
        return tuple(_describe(connection, name) for name in _names(connection))


def write_table(settings: Settings, source: Source, name: str, form: Format, path: Path) -> None:
    """Write one table; numbers in full, NULL as an empty field of CSV.

    Args:
        settings: where the store is.
        source: whose table.
        name: a table of it.
        form: csv, with a header line and lists as ``[1, 2]``; or parquet.
        path: the file; see :func:`backend.exports.atomic.atomic_file`.

    Raises:
        ExportError: there is no such table, or it is not offered in this format.
        RunNotFound, StudyNotFound, UnreadableFile: the source cannot be read.
    """
    with _reading(settings, source) as connection:
        _check(connection, source, name, form)
        _copy(connection, name, form, path)


def write_tables(
    settings: Settings, source: Source, names: Sequence[str], form: Format, folder: Path
) -> tuple[Path, ...]:
    """Write several tables, one file each; arguments and errors as for :func:`write_table`."""
    paths = []
    with _reading(settings, source) as connection:
        for name in names:
            _check(connection, source, name, form)
        for name in names:
            paths.append(folder / f"{name}.{form}")
            _copy(connection, name, form, paths[-1])
    return tuple(paths)


def write_archive(
    settings: Settings, source: Source, names: Sequence[str], form: Format, path: Path
) -> None:
    """Write several tables into one zip, one table on disk at a time.

    Arguments and errors as for :func:`write_table`.
    """
    # Parquet is compressed already.
    packing = zipfile.ZIP_DEFLATED if form == "csv" else zipfile.ZIP_STORED
    with (
        _reading(settings, source) as connection,
        zipfile.ZipFile(path, "w", packing) as archive,
    ):
        for name in names:
            _check(connection, source, name, form)
            single = path.with_name(f"{path.name}.{name}")
            _copy(connection, name, form, single)
            archive.write(single, f"{source.name}/{name}.{form}")
            single.unlink()


def offered(
    tables: Sequence[Table], form: Format, *, activations: bool
) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Which tables go into a download of all, and which stay out.

    Args:
        tables: of one source.
        form: csv or parquet.
        activations: also activations (Parquet only) and their inner products.
    """
    heavy = (*ACTIVATIONS, *PRODUCTS)
    taken = tuple(
        table
        for table in tables
        if table.bytes_as(form) is not None and (activations or table.name not in heavy)
    )
    return taken, tuple(table for table in tables if table not in taken)


def total_bytes(tables: Sequence[Table], form: Format) -> int:
    """The expected size of several tables in a format, before they are zipped."""
    return sum(table.bytes_as(form) or 0 for table in tables)


@contextmanager
def _reading(settings: Settings, source: Source) -> Iterator[Connection]:
    if source.kind == "run":
        with reading_run(settings, source.name) as connection:
            yield connection
    else:
        key = find_study(settings, source.name).key
        with reading(settings.studies / f"{key}.duckdb", "study") as connection:
            yield connection


def _names(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def _describe(connection: Connection, name: str) -> Table:
    columns = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?"
        " ORDER BY column_index",
        [name],
    ).fetchall()
    rows = connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
    text = " + ".join(f'coalesce(length("{column}"::VARCHAR), 0) + 1' for column, _ in columns)
    text = "0" if name in ACTIVATIONS else text
    binary = " + ".join(_width(column, kind) for column, kind in columns)
    per_row = connection.execute(
        f"SELECT coalesce(avg({text}), 0), coalesce(avg({binary}), 0)"
        f' FROM (SELECT * FROM "{name}" LIMIT {_SAMPLE})'
    ).fetchall()[0]
    header = sum(len(column) + 1 for column, _ in columns)
    return Table(
        name=name,
        rows=rows,
        columns=tuple(column for column, _ in columns),
        csv_bytes=None if name in ACTIVATIONS else header + round(rows * per_row[0]),
        # The footer of a Parquet file names every column and its statistics.
        parquet_bytes=round(rows * per_row[1]) + 1000 + 250 * len(columns),
    )


def _width(column: str, kind: str) -> str:
    """SQL for the bytes of a value without compression."""
    if kind == "VARCHAR":
        return f'coalesce(strlen("{column}"), 0) + 4'
    if kind.endswith("]"):
        each = 4 if kind.startswith(("FLOAT", "INTEGER")) else 8
        return f'coalesce(len("{column}"), 0) * {each} + 8'
    return "8"


def _check(connection: Connection, source: Source, name: str, form: Format) -> None:
    known = _names(connection)
    if name not in known:
        raise ExportError(
            f"The {source.kind} {source.name} has no table {name!r}.",
            expected=f"one of {', '.join(known)}.",
            remedy="name one of these; docs/tables.md says what they hold.",
        )
    if form == "csv" and name in ACTIVATIONS:
        raise ExportError(
            f"{name} is not offered as CSV.",
            expected="parquet: every row is an activation of hundreds to thousands of numbers.",
            remedy="export it as Parquet, or leave it out.",
        )


def _copy(connection: Connection, name: str, form: Format, path: Path) -> None:
    options = "FORMAT csv, HEADER true" if form == "csv" else "FORMAT parquet, COMPRESSION zstd"
    quoted = str(path).replace("'", "''")
    connection.execute(f"COPY (SELECT * FROM \"{name}\") TO '{quoted}' ({options})")

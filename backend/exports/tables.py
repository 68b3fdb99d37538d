"""The tables of a run or a study as CSV and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.settings import Settings
from backend.store.run import open_run
from backend.store.run_values import StoredTable, TableFormat
from backend.store.study import (
    ACTIVATION_TABLES,
    PRODUCT_TABLES,
    StudyFile,
    find_study,
    open_study,
)

FORMATS: tuple[TableFormat, TableFormat] = ("csv", "parquet")


@dataclass(frozen=True)
class TableSource:
    """Where tables come from.

    Attributes:
        kind: ``run`` or ``study``.
        name: id of the run, or name or ``name@hash`` of the study.
    """

    kind: Literal["run", "study"]
    name: str


def list_tables(settings: Settings, source: TableSource) -> tuple[StoredTable, ...]:
    """The tables of a run or study, by name.

    Raises:
        RunNotFound, StudyNotFound, UnreadableFile: it cannot be read.
    """
    with _opened(settings, source) as file:
        return file.tables()


def write_table(
    settings: Settings, source: TableSource, name: str, form: TableFormat, path: Path
) -> None:
    """Write one table; numbers in full, NULL as an empty field of CSV.

    Args:
        settings: where the store is.
        source: whose table.
        name: a table of it.
        form: csv, with a header line and lists as ``[1, 2]``; or parquet.
        path: the file; see :func:`backend.store.atomic.atomic_file`.

    Raises:
        ExportError: there is no such table, or it is not offered in this format.
        RunNotFound, StudyNotFound, UnreadableFile: the source cannot be read.
    """
    with _opened(settings, source) as file:
        file.check_table(name, form)
        file.copy_table(name, form, path)


def write_tables(
    settings: Settings, source: TableSource, names: Sequence[str], form: TableFormat, folder: Path
) -> tuple[Path, ...]:
    """Write several tables, one file each; arguments and errors as for :func:`write_table`."""
    paths = []
    with _opened(settings, source) as file:
        for name in names:
            file.check_table(name, form)
        for name in names:
            paths.append(folder / f"{name}.{form}")
            file.copy_table(name, form, paths[-1])
    return tuple(paths)


def write_archive(
    settings: Settings, source: TableSource, names: Sequence[str], form: TableFormat, path: Path
) -> None:
    """Write several tables into one zip, one table on disk at a time.

    Arguments and errors as for :func:`write_table`.
    """
    # Parquet is compressed already.
    packing = zipfile.ZIP_DEFLATED if form == "csv" else zipfile.ZIP_STORED
    with _opened(settings, source) as file, zipfile.ZipFile(path, "w", packing) as archive:
        for name in names:
            file.check_table(name, form)
            single = path.with_name(f"{path.name}.{name}")
            file.copy_table(name, form, single)
            archive.write(single, f"{source.name}/{name}.{form}")
            single.unlink()


def offered(
    tables: Sequence[StoredTable], form: TableFormat, *, activations: bool
) -> tuple[tuple[StoredTable, ...], tuple[StoredTable, ...]]:
    """Which tables go into a download of all, and which stay out.

    Args:
        tables: of one source.
        form: csv or parquet.
        activations: also activations (Parquet only) and their inner products.
    """
    heavy = (*ACTIVATION_TABLES, *PRODUCT_TABLES)
    taken = tuple(
        table
        for table in tables
        if table.bytes_as(form) is not None and (activations or table.name not in heavy)
    )
    return taken, tuple(table for table in tables if table not in taken)


def total_bytes(tables: Sequence[StoredTable], form: TableFormat) -> int:
    """The expected size of several tables in a format, before they are zipped."""
    return sum(table.bytes_as(form) or 0 for table in tables)


@contextmanager
def _opened(settings: Settings, source: TableSource) -> Iterator[StudyFile]:
    if source.kind == "run":
        with open_run(settings, source.name) as run:
            yield run
    else:
        with open_study(settings, find_study(settings, source.name)) as study:
            yield study

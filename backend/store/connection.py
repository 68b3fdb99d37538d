"""Open, insert into and publish DuckDB files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from backend.errors import UnreadableFile
from backend.store.file_cache import FileCache, FileIdentity
from backend.store.schema import FORMAT, READABLE
from backend.store.structure import foreign_statement, foreign_table

Connection = duckdb.DuckDBPyConnection
TextKind = Literal["prompt", "response"]
# What DuckDB raises on a damaged file or a missing table; anything else is a bug of ours.
DAMAGE = (
    duckdb.IOException,
    duckdb.CatalogException,
    duckdb.SerializationException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.OutOfMemoryException,
)
# What one open file may take: a handed-over file decides neither a machine's memory nor its cores.
MEMORY = "4GiB"
MOST_THREADS = 4
# Rows of a chunk of a column, on average, from which chunks are not copied into one.
LONG = 500
_LOOKED_THROUGH = FileCache(4096)
# File -> why it could not be read to its end, for as long as the process lives.
_DAMAGED: dict[FileIdentity, str] = {}
# What reading a file can raise whose tables are there and hold something else than was written.
MALFORMED = (duckdb.Error, OSError, ValueError, TypeError, LookupError, ArithmeticError)


def by_age(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Files, oldest first; one that vanished meanwhile is left out.

    Args:
        paths: as they were listed.
    """
    found = []
    for path in paths:
        try:
            found.append((path.stat().st_mtime, path.name, path))
        except OSError:  # deleted since it was listed, or a link to nothing
            continue
    return tuple(path for _, _, path in sorted(found))


@contextmanager
def reading(path: Path, kind: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a published file; any number of processes may hold one.

    The file may be anyone's: it can reach no other file, and holds nothing but tables of the
    schema, which is looked at once for each file. One that turns out to be damaged is left out of
    the store's lists from then on; see :func:`damage_of`.

    Args:
        path: a file in studies/, runs/ or vectors/.
        kind: ``study``, ``run``, ``vector`` or ``imported vector``, checked against what the file
            says of itself.

    Raises:
        UnreadableFile: the file is no DuckDB file, of another format or kind, or damaged.
    """
    identity = FileIdentity.of(path)
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_config())
    except duckdb.Error as fault:
        # One that another process is writing will be sound.
        if is_damage(fault) and "Could not set lock" not in str(fault):
            _DAMAGED[identity] = _first_line(fault)
        raise unreadable(path, _first_line(fault)) from fault
    try:
        try:
            why = _looked_through(identity, kind, lambda: _not_ours(connection, kind))
            if why is not None:
                raise unreadable(path, why)
            yield connection
        except duckdb.Error as fault:
            if not is_damage(fault):
                raise
            _DAMAGED[identity] = _first_line(fault)
            raise unreadable(path, _first_line(fault)) from fault
    finally:
        connection.close()


def _looked_through(
    identity: FileIdentity, kind: str, look: Callable[[], str | None]
) -> str | None:
    """What was found when a file was looked through, once."""
    return _LOOKED_THROUGH.get_as_of(("reading", kind), [identity], look)


def is_damage(fault: BaseException) -> bool:
    """Whether a fault is of the file that is read, and not of the program.

    Args:
        fault: raised by a query. A wrong checksum is a plain ``duckdb.Error``.
    """
    return isinstance(fault, DAMAGE) or type(fault) is duckdb.Error


def damage_of(identity: FileIdentity) -> str | None:
    """Why a file could not be read to its end in this process, though it could be opened; None
    where nothing is known against it.

    Args:
        identity: of the file as it is now; one that is replaced is judged anew.
    """
    return _DAMAGED.get(identity)


def unreadable(path: Path, why: str) -> UnreadableFile:
    """The error for a file of the store that cannot be read. Args: the file, and the reason."""
    return UnreadableFile(
        f"{path.name} cannot be read: {why}.",
        expected=f"a DuckDB file published by Steerscope in format {FORMAT}.",
        remedy="import or extract it again, copy it anew from where it came, or delete the file.",
    )


def _config() -> dict[str, str | bool | int | float | list[str]]:
    """Settings under which a file of anybody is opened."""
    return {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_unsigned_extensions": "false",
        "memory_limit": MEMORY,
        "threads": str(min(MOST_THREADS, os.cpu_count() or 1)),
        "temp_directory": "",
        "lock_configuration": "true",
    }


def _not_ours(connection: duckdb.DuckDBPyConnection, kind: str) -> str | None:
    """Why a file is none of Steerscope's, as the end of a sentence; None if it is one."""
    if (statement := foreign_statement(connection)) is not None:
        return statement
    try:
        rows = connection.execute("SELECT format, kind FROM file_format LIMIT 2").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return "it holds no Steerscope tables"
    if rows not in [[(format, kind)] for format in READABLE]:
        found = f"format {rows[0][0]}, kind {rows[0][1]}" if rows else "an empty format table"
        return f"it has {found}, and format {FORMAT}, kind {kind} is needed{_for_version(rows)}"
    return foreign_table(connection, kind)


def _for_version(rows: list[tuple[Any, ...]]) -> str:
    """What to do about a file of a version whose files are not read."""
    if not rows or not isinstance(rows[0][0], int):
        return ""
    if rows[0][0] > FORMAT:
        return "; a newer Steerscope wrote it: update this one (git pull, then make setup)"
    if rows[0][0] < READABLE[0]:
        return (
            "; an older Steerscope wrote it: import its study and extract it again "
            "(python -m backend import-study, python -m backend extract)"
        )
    return ""


def _first_line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0].rstrip(".!")


def insert(connection: duckdb.DuckDBPyConnection, table: str, *chunks: dict[str, object]) -> None:
    """Append columns to a table, by Arrow and in one statement however many chunks there are.

    Args:
        connection: the work file's connection.
        table: name of an existing table.
        chunks: column name -> Arrow array, list or numpy array, of one length within a chunk; the
            same names in every chunk.
    """
    columns = joined(chunks)
    if not columns:
        return
    incoming = pa.table(columns)
    connection.register("incoming", incoming)
    try:
        names = ", ".join(f'"{name}"' for name in incoming.column_names)
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming")
    finally:
        connection.unregister("incoming")


def joined(chunks: Sequence[dict[str, object]]) -> dict[str, object]:
    """Chunks of columns, as :func:`insert` takes them, as one; empty where none has a row.

    Args:
        chunks: column name -> Arrow array, list or numpy array.
    """
    filled = [chunk for chunk in chunks if any(map(len, chunk.values()))]  # type: ignore[arg-type]
    if not filled:
        return {}
    return {name: _joined([chunk[name] for chunk in filled]) for name in filled[0]}


def _joined(parts: list[Any]) -> pa.Array | pa.ChunkedArray:
    """One column of its chunks: hundreds of tables of a few rows take long to put together."""
    if all(isinstance(part, list) for part in parts):
        return pa.array([value for part in parts for value in part])
    if all(isinstance(part, np.ndarray) for part in parts):
        return pa.array(np.concatenate(parts))
    arrays: list[pa.Array] = []
    for part in parts:
        if isinstance(part, pa.ChunkedArray):
            arrays += part.chunks
        else:
            arrays.append(part if isinstance(part, pa.Array) else pa.array(part))
    # A chunk of nothing but NULL may not know of what.
    kinds = {array.type: pa.schema([("", array.type)]) for array in arrays}
    (kind,) = pa.unify_schemas([*kinds.values()], promote_options="permissive").types
    whole = pa.chunked_array(
        [array if array.type == kind else array.cast(kind) for array in arrays]
    )
    # Long chunks are read as they are; of many short ones each takes its time.
    return whole if len(whole) >= LONG * len(arrays) else whole.combine_chunks()


def fixed_rows(matrix: NDArray[np.floating]) -> pa.Array:
    """A matrix [rows, d] as an Arrow column of d-arrays, without copying each row."""
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def list_rows(matrix: NDArray[np.floating]) -> pa.Array:
    """A matrix [rows, n] as an Arrow column of variable-length lists."""
    rows, width = matrix.shape
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * width), flat)


def matrix_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[object]
) -> NDArray[np.floating]:
    """The single array column of a query as a matrix [rows, d]; [0, 0] if there are no rows.

    Raises:
        ValueError: the arrays are not of one length.
    """
    return _matrix(connection.sql(query, params=parameters).to_arrow_table())


def ordered_matrix_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[object]
) -> NDArray[np.floating]:
    """As :func:`matrix_of`, the rows ordered by the integer columns before the array column.

    DuckDB takes as long to sort rows of a thousand numbers as to read them; here only places are
    sorted, and rows that come in order stay where they are.
    """
    table: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
    matrix = _matrix(table)
    keys = [table.column(i).to_numpy() for i in range(table.num_columns - 1)]
    order = np.lexsort(keys[::-1])
    return matrix if (np.diff(order) == 1).all() else matrix[order]


def _matrix(table: pa.Table) -> NDArray[np.floating]:
    """The last column, of arrays, as a matrix."""
    if table.num_rows == 0:
        return np.zeros((0, 0))
    column = table.column(table.num_columns - 1).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    ends = compute.min_max(compute.list_value_length(column)).as_py()
    if ends["min"] != ends["max"]:
        raise ValueError(f"arrays of {ends['min']} to {ends['max']} numbers are no matrix")
    values = column.flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.floating] = values.reshape(table.num_rows, -1)
    return matrix


def discard(path: Path) -> None:
    """Remove a closed work file and what DuckDB keeps beside it."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)


def publish(work: Path, target: Path, *, replace: bool = False, own: str | None = None) -> bool:
    """Move a closed work file to its final name, once.

    The file and its folder are synced, so a crash leaves either no target or a whole one.

    Args:
        work: the closed file.
        target: its final name.
        replace: take the place of a target that exists; it is one or the other at every moment,
            and who has the old one open keeps it.

    Returns:
        False if the target existed already and was to stay as it was; then the work file is
        removed.
    """
    wal = work.with_name(work.name + ".wal")
    if wal.exists():
        raise RuntimeError(f"{work} was not checkpointed before publishing")
    if target.exists() and not replace:
        work.unlink()
        return False
    with work.open("rb") as handle:
        os.fsync(handle.fileno())
    identity = dataclasses.replace(FileIdentity.of(work), path=target)
    if replace:
        work.replace(target)
    elif not _move_once(work, target):
        return False
    if own is not None:
        _looked_through(identity, own, lambda: None)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _move_once(work: Path, target: Path) -> bool:
    """Rename without replacing what another process published in the same moment."""
    try:
        os.link(work, target)
    except FileExistsError:
        work.unlink()
        return False
    except OSError:  # a file system without hard links
        work.rename(target)
        return True
    work.unlink()
    return True

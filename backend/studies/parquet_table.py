"""Rows of a parquet or Arrow file, read no further than its limits."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.studies.arrow_messages import is_compressed
from backend.studies.faults import FaultList, shown
from backend.studies.limits import (
    MOST_BYTES,
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_DEPTH,
    MOST_ROWS,
    MOST_VALUES,
    TooLarge,
    size,
)
from backend.studies.parquet_footer import Footer, read_footer
from backend.studies.rows import Record

_REMEDY = "Write it again as parquet."
# How pandas names the column of an index.
_INDEX = "__index_level_"
_BATCH_ROWS = 1024
# What pyarrow raises on a damaged file, or on values that Python cannot hold.
_DAMAGE = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    RecursionError,
    IndexError,
    struct.error,
)


def read_parquet(name: str, content: bytes, faults: FaultList) -> list[Record] | None:
    """The records of a parquet file; None where it cannot be read. See ``FileFormat``."""
    try:
        footer = read_footer(content)
        _check_size(footer)
        # Text columns stay dictionaries until their size as text is known.
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=list(footer.texts))
        if not _columns_fit(name, file.schema_arrow, faults):
            return None
        records = _records(file)
    except _DAMAGE as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        faults.add(name, None, "Not a parquet file that can be read: {}.", _REMEDY, reason[:200])
        return None
    return [Record(number, _cleaned(record)) for number, record in enumerate(records, start=1)]


def read_arrow(name: str, content: bytes, faults: FaultList) -> list[Record] | None:
    """The records of an Arrow file as Hugging Face's ``save_to_disk`` writes it (a stream).

    Args and result: as for ``FileFormat``.
    """
    try:
        if is_compressed(content):
            raise TooLarge(
                "The table is compressed, which can unpack to any size.",
                "Save it again with save_to_disk, which does not compress.",
            )
        with pa.ipc.open_stream(io.BytesIO(content)) as stream:
            if not _columns_fit(name, stream.schema, faults):
                return None
            records = _as_records(map(_validated, stream))
    except _DAMAGE as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        what = "Not an Arrow stream that can be read: {}."
        faults.add(name, None, what, "Save it again with save_to_disk.", reason[:200])
        return None
    return [Record(number, _cleaned(record)) for number, record in enumerate(records, start=1)]


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose offsets and texts are what they should be: none is looked at while reading."""
    batch.validate(full=True)
    return batch


def _too_large(what: str) -> TooLarge:
    return TooLarge(f"The table has {what}.", "Split the study, or leave columns out.")


def _check_size(footer: Footer) -> None:
    """Refuse by the file's own account of its size, before anything is unpacked."""
    cells = footer.rows * footer.columns
    if footer.rows > MOST_ROWS:
        raise _too_large(f"{footer.rows:,} rows; at most {MOST_ROWS:,} are read")
    if footer.columns > MOST_COLUMNS:
        raise _too_large(f"{footer.columns:,} columns; at most {MOST_COLUMNS:,} are read")
    if cells > MOST_CELLS:
        raise _too_large(f"{cells:,} cells; at most {MOST_CELLS:,} are read")
    if footer.uncompressed > MOST_BYTES:
        raise _too_large(
            f"{size(footer.uncompressed)} unpacked; at most {size(MOST_BYTES)} are read"
        )
    if footer.values > MOST_VALUES:
        raise _too_large(f"{footer.values:,} values in lists; at most {MOST_VALUES:,} are read")
    if footer.prefixed:
        raise TooLarge(
            f"Column {shown(footer.prefixed[0])} has the encoding DELTA_BYTE_ARRAY, which can "
            "unpack to any size.",
            "Write it again with the writer's default encodings.",
        )


def _columns_fit(name: str, schema: pa.Schema, faults: FaultList) -> bool:
    """Whether every column has a name of its own and a type of text, numbers, lists or objects."""
    fit = True
    for column in sorted({n for n in schema.names if schema.names.count(n) > 1}):
        faults.add(name, None, f"Column {shown(column)} stands twice.", "Remove one, or rename it.")
        fit = False
    for field in schema:
        if not _readable(field.type, MOST_DEPTH):
            faults.add(
                name,
                None,
                f"Column {shown(field.name)} is of the type {str(field.type)[:80]}.",
                "Write text, numbers, or lists and objects of these.",
            )
            fit = False
    return fit


def _readable(kind: pa.DataType, depth: int) -> bool:
    types = pa.types
    if depth == 0:
        return False
    if types.is_dictionary(kind):
        return _readable(kind.value_type, depth - 1)
    if types.is_struct(kind):
        return all(_readable(kind.field(i).type, depth - 1) for i in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _readable(kind.value_type, depth - 1)
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _records(file: pq.ParquetFile) -> list[dict[str, Any]]:
    return _as_records(file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False))


def _as_records(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    """All records, counted as they would be in memory before they are made."""
    records: list[dict[str, Any]] = []
    used = cells = 0
    for batch in batches:
        cells += batch.num_rows * batch.num_columns
        if cells > MOST_CELLS or len(records) + batch.num_rows > MOST_ROWS:
            raise _too_large(f"over {MOST_CELLS:,} cells or {MOST_ROWS:,} rows")
        used += sum(_text_bytes(column) for column in batch.columns)
        if used > MOST_BYTES:
            raise _too_large(f"over {size(MOST_BYTES)} of text, its repetitions unpacked")
        records.extend(batch.to_pylist())
    return records


def _text_bytes(values: pa.Array) -> int:
    """Bytes of text in an array when every value is written out."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(values.dictionary).take(values.indices)
        return int(pc.sum(lengths).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_text_bytes(values.field(i)) for i in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _text_bytes(values.flatten())
    return int(values.nbytes)


def _cleaned(record: dict[str, Any]) -> dict[str, Any]:
    """The record without an index of pandas; NaN, which tables write for no value, as None."""
    return {
        column: None if isinstance(value, float) and math.isnan(value) else value
        for column, value in record.items()
        if not column.startswith(_INDEX)
    }

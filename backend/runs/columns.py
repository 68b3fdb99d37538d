"""Values as columns of the run's tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backend.core.estimate import Estimate

Columns = dict[str, object]
# A column of a chunk. Up to so many values stay a list: most chunks are of one row, and an Arrow
# array of each of their columns takes longer than the statistics in them.
Column: TypeAlias = pa.Array | list[Any]
FEW = 16
# Table -> chunks of its columns.
TableChunks = dict[str, list[Columns]]


class Tables:
    """Chunks of columns by table, all of one layer.

    Args:
        layer: written into every row.
    """

    def __init__(self, layer: int) -> None:
        self._layer = layer
        self.chunks: TableChunks = {}

    def add(self, table: str, key: Columns, **columns: object) -> None:
        """Append rows: ``columns`` are sequences of one length, ``key`` values are repeated."""
        rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
        repeated = {name: _repeated(value, rows) for name, value in key.items()}
        layer = {"layer": _repeated(self._layer, rows)}
        self.chunks.setdefault(table, []).append({**repeated, **columns, **layer})

    def extend(self, other: Tables) -> None:
        """Append the rows of other tables of the same layer."""
        for table, chunks in other.chunks.items():
            self.chunks.setdefault(table, []).extend(chunks)


def _repeated(value: object, rows: int) -> pa.Array | list[object]:
    return [value] * rows if rows <= FEW else _repeated_array(value, rows)


@lru_cache(maxsize=256, typed=True)
def _repeated_array(value: object, rows: int) -> pa.Array:
    # Many chunks share a value, such as a method's name. Typed, as True is equal to 1.
    return pa.repeat(pa.scalar(value), rows)


def integers(values: Sequence[int | None] | NDArray[np.integer]) -> Column:
    """A column of 32-bit integers."""
    if isinstance(values, np.ndarray):
        return pa.array(values.astype(np.int32))
    return _column(values, pa.int32())


def doubles(values: Sequence[float | None]) -> Column:
    """A column of doubles; None is NULL."""
    return _column(values, pa.float64())


def texts(values: Sequence[str | None]) -> Column:
    """A column of strings; None is NULL."""
    return _column(values, pa.string())


def _column(values: Sequence[object], kind: pa.DataType) -> Column:
    listed = list(values)
    return listed if len(listed) <= FEW else pa.array(listed, kind)


def measures(found: Sequence[Estimate], value: str) -> dict[str, Column]:
    """Estimates as their value, under the name given, and their reason."""
    return {value: doubles([m.value for m in found]), "reason": texts([m.reason for m in found])}

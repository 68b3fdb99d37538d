"""Values as columns of the run's tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backend.core.estimate import Estimate

Columns = dict[str, object]
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
        repeated = {name: pa.repeat(pa.scalar(value), rows) for name, value in key.items()}
        layers = pa.array(np.full(rows, self._layer, np.int32))
        self.chunks.setdefault(table, []).append({**repeated, **columns, "layer": layers})

    def extend(self, other: Tables) -> None:
        """Append the rows of other tables of the same layer."""
        for table, chunks in other.chunks.items():
            self.chunks.setdefault(table, []).extend(chunks)


def integers(values: Sequence[int | None] | NDArray[np.integer]) -> pa.Array:
    """A column of 32-bit integers."""
    return pa.array(values if isinstance(values, np.ndarray) else list(values), pa.int32())


def doubles(values: Sequence[float | None]) -> pa.Array:
    """A column of doubles; None is NULL."""
    return pa.array(list(values), pa.float64())


def texts(values: Sequence[str | None]) -> pa.Array:
    """A column of strings; None is NULL."""
    return pa.array(list(values), pa.string())


def measures(found: Sequence[Estimate], value: str) -> dict[str, pa.Array]:
    """Estimates as their value, under the name given, and their reason."""
    return {value: doubles([m.value for m in found]), "reason": texts([m.reason for m in found])}

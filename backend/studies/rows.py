"""What a table's reader gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        line: line it starts on (text files, from 1) or data row (parquet, and JSON arrays of which
            several records stand on one line, from 1).
        values: column -> value; None where the cell is empty or null.
    """

    line: int
    values: dict[str, Any]

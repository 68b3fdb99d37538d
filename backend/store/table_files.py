"""Rows as a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from backend.store.run_values import TableFormat

# A spreadsheet takes a cell that begins so for a formula, and may run it.
FORMULA = "^[=+\\-@\t\r\n]"


def write_rows(rows: pa.RecordBatchReader, form: TableFormat, path: Path) -> None:
    """Write rows to a file; one that is there is replaced.

    Args:
        rows: read once.
        form: csv: a header line, numbers in full, NULL as an empty field, an apostrophe before a
            text that a spreadsheet would take for a formula and that is no number. Parquet: as
            they are.
        path: the file.
    """
    columns = [f'"{field.name}"' for field in rows.schema]
    options = "FORMAT parquet, COMPRESSION zstd"
    if form == "csv":
        options = "FORMAT csv, HEADER true"
        columns = [
            _harmless(column) if pa.types.is_string(field.type) else column
            for column, field in zip(columns, rows.schema, strict=True)
        ]
    quoted = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("incoming", rows)
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM incoming) TO '{quoted}' ({options})"
        )


def _harmless(column: str) -> str:
    return (
        f"CASE WHEN regexp_matches({column}, '{FORMULA}') AND try_cast({column} AS DOUBLE) IS NULL"
        f" THEN chr(39) || {column} ELSE {column} END AS {column}"
    )

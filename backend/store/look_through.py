"""Read a file of the store from one end to the other, once, before it is listed.

DuckDB keeps a checksum of every block and compares it when the block is read. A list reads a few
blocks of a file only, and would show a run whose activations have been cut off.
"""

from __future__ import annotations

from backend.names import name_problem
from backend.store.structure import Connection

_NAMED = (
    ("prompts", "trait"),
    ("traits", "trait"),
    ("scores", "trait"),
    ("prompts", "prompt_set"),
    ("responses", "responder"),
)


def read_whole(connection: Connection) -> None:
    """Read every block of every table.

    Args:
        connection: to a file whose catalogue is as it should be.

    Raises:
        duckdb.Error: the file is damaged.
    """
    columns: dict[str, list[str]] = {}
    for table, column, type_of in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        # One number of a list is enough to have all its blocks read.
        value = f'"{column}"[1]' if type_of.endswith("]") else f'"{column}"'
        columns.setdefault(table, []).append(f"bit_xor(hash({value}))")
    for table, values in columns.items():
        connection.execute(f'SELECT {", ".join(values)} FROM "{table}"').fetchall()


def bad_name(connection: Connection) -> str | None:
    """A name that no import would have let pass, as the end of a sentence; None for none.

    Args:
        connection: to a file that holds a study.
    """
    for table, column in _NAMED:
        for (name,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():
            problem = name_problem(column, name)
            if problem is not None:
                return problem[0].format(repr(name[:80])).rstrip(" .")
    return None

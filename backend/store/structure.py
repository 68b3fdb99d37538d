"""Whether a file holds tables of the schema and nothing else.

A file may come from anyone. A view, a macro, a trigger or a default is a statement of whoever made
it, which would be run by readers that expect a table or a function of DuckDB's own; a column of
another type would come back as something no reader expects. So a file's catalogue is looked at
before anything in it is read, by functions named with their place, which no macro can stand in for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import duckdb

from backend.store.schema import IMPORTED_TABLES, STUDY_TABLES, VECTOR_TABLES, run_tables

Connection = duckdb.DuckDBPyConnection
# What the schema knows nothing of -> where DuckDB lists it, and under which name.
_STATEMENTS = {
    "view": ("duckdb_views", "view_name"),
    "macro": ("duckdb_functions", "function_name"),
    "type": ("duckdb_types", "type_name"),
}
_OTHERS = {
    "sequence": ("duckdb_sequences", "sequence_name"),
    "index": ("duckdb_indexes", "index_name"),
    "trigger": ("duckdb_triggers", "trigger_name"),
}
_CONSTRAINTS = ("PRIMARY KEY", "NOT NULL", "UNIQUE")
_WIDTH = re.compile(r"(FLOAT|DOUBLE)\[\d+\]")


def foreign_statement(connection: Connection) -> str | None:
    """A statement that a file brings along, as the end of a sentence; None for none.

    Args:
        connection: to the file, opened so that it can reach no other.
    """
    for what, (listing, name) in _STATEMENTS.items():
        for found, internal in _listed(connection, listing, f"{name}, internal"):
            if not internal:
                return _not_a_table(what, found)
    for what, (listing, name) in _OTHERS.items():
        for (found,) in _listed(connection, listing, name):
            return _not_a_table(what, found)
    for constraint, table in _listed(
        connection, "duckdb_constraints", "constraint_type, table_name"
    ):
        if constraint not in _CONSTRAINTS:
            return f"table {table!r} has a {constraint} constraint, which the schema has not"
    asked = "table_name, column_name, column_default, is_generated, internal"
    for table, column, default, generated, internal in _listed(connection, "duckdb_columns", asked):
        if not internal and (default is not None or generated):
            return f"column {column!r} of table {table!r} is computed by a statement of the file"
    return None


def foreign_table(connection: Connection, kind: str) -> str | None:
    """A table or column that the schema does not know, as the end of a sentence; None for none.

    What is missing is not told: older formats have fewer tables and columns.

    Args:
        connection: to a file without foreign statements.
        kind: ``study``, ``run``, ``vector`` or ``imported vector``.
    """
    schema = _schema(kind)
    asked = "schema_name, table_name, column_name, data_type, internal"
    for place, table, column, type_of, internal in _listed(connection, "duckdb_columns", asked):
        if internal:
            continue
        if place != "main" or table not in schema:
            return f"it holds the table {table!r}, which the schema has not"
        wanted = schema[table].get(column)
        if wanted is None:
            return f"table {table!r} has the column {column!r}, which the schema has not"
        if _typed(type_of) != wanted:
            return f"column {column!r} of table {table!r} is {type_of} instead of {wanted}"
    return None


def _not_a_table(what: str, name: str) -> str:
    return f"it holds the {what} {name!r}, and a file of the store holds tables only"


def _listed(connection: Connection, listing: str, columns: str) -> list[tuple[Any, ...]]:
    # Neither conditions nor aggregates: a macro of the file could have the name of one.
    return connection.execute(f"SELECT {columns} FROM system.main.{listing}()").fetchall()


def _typed(type_of: str) -> str:
    """A type without the width of a run's arrays."""
    return _WIDTH.sub(r"\1[d]", type_of)


@cache
def _schema(kind: str) -> Mapping[str, Mapping[str, str]]:
    """Table -> column -> type, of a kind of file in the newest format."""
    tables = {
        "study": STUDY_TABLES,
        "run": STUDY_TABLES + run_tables(1),
        "vector": VECTOR_TABLES,
        "imported vector": IMPORTED_TABLES,
    }[kind]
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect() as connection:
        connection.execute(tables)
        for table, column, type_of in connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
        ).fetchall():
            found.setdefault(table, {})[column] = _typed(type_of)
    return found

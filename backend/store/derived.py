"""Whether a run's derived tables hold together.

They are computed from the run's activations, so that a damaged one costs a derivation and not an
extraction; but a reader that takes their shape for granted would show wrong numbers, or none for
the run's neighbours either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import duckdb

from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.store.connection import Connection
from backend.store.schema import ADDED_COLUMNS, DERIVED_TABLES, FORMAT, derived_tables

# Each query finds what should not be there, and fills its sentence with the first of it. They read
# every value, which takes longer than a page may wait for at the first sight of a run.
_VALUES = (
    (
        "SELECT metric, a.trait, layer, min(len(products)), max(len(products)),"
        " any_value(prompts) FROM alignment a LEFT JOIN (SELECT trait, count(*) AS prompts"
        " FROM prompts GROUP BY trait) USING (trait) GROUP BY ALL"
        " HAVING min(len(products)) IS DISTINCT FROM any_value(prompts)"
        " OR max(len(products)) IS DISTINCT FROM any_value(prompts)",
        "table alignment ({}, {}, layer {}) has rows of {} to {} numbers for {} prompts",
    ),
    *(
        (
            f"SELECT {key} FROM {table}"
            f" WHERE NOT coalesce(isfinite(list_sum({column})), false) OR len({column}) <>"
            f" len(list_filter({column}, lambda x: x IS NOT NULL))",
            f"table {table} ({{}}, layer {{}}) holds what is no finite number",
        )
        for table, column, key in (
            ("gram", "products", "trait, layer"),
            ("alignment", "products", "trait, layer"),
            ("moments", "s", "trait, layer"),
            ("vectors", "vector", "trait, layer"),
        )
    ),
    *(
        (
            f"SELECT trait FROM {table} WHERE NOT coalesce(isfinite({column}), false)",
            f"table {table} ({{}}) holds what is no finite number",
        )
        for table, column in (
            ("behaviours", "value"),
            ("projections", "projection"),
            ("moments", "b"),
            ("moment_totals", "y_square"),
            ("moment_totals", "rounding"),
        )
    ),
)


def damaged_shape(connection: Connection, file_format: int, layers: Sequence[int]) -> str | None:
    """What is wrong with the tables, columns, rows and lengths of a run's derived tables, as the
    end of a sentence; None where they hold together. Quick: no long column is read.

    Args:
        connection: to a published run.
        file_format: its format.
        layers: the layers it was extracted at.
    """
    why = _missing_columns(connection, file_format)
    return why or next(_faults(_Counts(connection), layers), None)


def damaged_values(connection: Connection) -> str | None:
    """Likewise of every value, for a run that could not be read although its shape is right.

    Args:
        connection: to a published run.
    """
    for query, sentence in _VALUES:
        row = connection.execute(f"{query} LIMIT 1").fetchone()
        if row is not None:
            return sentence.format(*row)
    return None


def _missing_columns(connection: Connection, file_format: int) -> str | None:
    there: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        there.setdefault(table, set()).add(column)
    for table, wanted in _columns(file_format).items():
        if table not in there:
            return f"table {table} is missing"
        if lacking := wanted - there[table]:
            return f"table {table} lacks column {', '.join(sorted(lacking))}"
    return None


class _Counts:
    """How many rows the tables have by key, and how long their lists are; a query a table.

    Args:
        connection: to a run with all its tables and columns.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        lists = "SELECT metric, trait, layer, count({0}), min(len({0})), max(len({0})) FROM {1}"
        cell = "method, trait, prompt_set, layer"
        self.responses: int = self._rows("SELECT count(*) FROM responses")[0][0]
        self.sets = self._keyed("SELECT trait, prompt_set, count(*) FROM prompts GROUP BY ALL", 2)
        self.gram = self._keyed(f"{lists.format('products', 'gram')} GROUP BY ALL", 3)
        self.moments = self._keyed(f"{lists.format('s', 'moments')} GROUP BY ALL", 3)
        self.totals = self._keyed("SELECT metric, trait, layer, cases FROM moment_totals", 3)
        self.alignment = self._keyed(
            "SELECT metric, trait, layer, count(*) FROM alignment GROUP BY ALL", 3
        )
        # The response of a case's first turn is none of any last turn.
        self.cases = self._keyed(
            "SELECT trait, count(*), count(DISTINCT first_response)"
            " + count(DISTINCT last_response) FROM behaviours GROUP BY ALL",
            1,
        )
        self.correlations = self._keyed(f"SELECT {cell}, r IS NOT NULL FROM correlations", 4)
        self.vectors = self._keyed(f"SELECT {cell}, 1 FROM vectors", 4)
        self.projections = self._keyed(f"SELECT {cell}, count(*) FROM projections GROUP BY ALL", 4)
        self.best = self._keyed("SELECT method, trait, prompt_set, 1 FROM best_layers", 3)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _keyed(self, query: str, key: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return {row[:key]: row[key:] for row in self._rows(query)}


def _faults(there: _Counts, layers: Sequence[int]) -> Iterator[str]:
    """Everything that does not fit together, as the ends of sentences."""
    prompts: Counter[str] = Counter()
    for (trait, _), (count,) in there.sets.items():
        prompts[trait] += count
    for table, found in (("gram", there.gram), ("moments", there.moments)):
        for (metric, trait, layer), (rows, least, most) in found.items():
            if {rows, least, most} != {prompts[trait]}:
                yield (
                    f"table {table} ({metric}, {trait}, layer {layer}) has {rows} rows of {least} "
                    f"to {most} numbers for {prompts[trait]} prompts"
                )
    for (metric, trait, layer), (rows,) in there.alignment.items():
        if rows != there.responses:
            yield (
                f"table alignment ({metric}, {trait}, layer {layer}) has {rows} rows for "
                f"{there.responses} responses"
            )
    wanted = {(IDENTITY, trait, layer) for trait in prompts for layer in layers}
    wanted |= {*there.gram, *there.moments, *there.totals, *there.alignment}
    tables: dict[str, Collection[tuple[Any, ...]]] = {
        "gram": there.gram,
        "moments": there.moments,
        "moment_totals": there.totals,
    }
    if there.responses:
        tables["alignment"] = there.alignment
    yield from _lacking(tables, wanted)
    for (_, trait, _), (cases,) in there.totals.items():
        stored = there.cases.get((trait,), (0, 0))[0]
        if stored != cases:
            yield f"{trait} has {stored} cases in table behaviours and {cases} in moment_totals"
    every = {(MEAN_DIFFERENCE, *key, layer) for key in there.sets for layer in layers}
    yield from _lacking({"correlations": there.correlations}, every | {*there.projections})
    defined = [key for key, (has_r,) in there.correlations.items() if has_r]
    yield from _lacking({"best_layers": there.best}, {key[:3] for key in there.correlations})
    yield from _lacking({"vectors": there.vectors}, defined)
    for key in defined:
        (rows,), needed = there.projections.get(key, (0,)), there.cases[key[1],][1]
        if rows < needed:
            yield f"table projections ({_named(key)}) has {rows} rows for {needed} responses"


def _lacking(
    tables: Mapping[str, Collection[tuple[Any, ...]]], wanted: Iterable[tuple[Any, ...]]
) -> Iterator[str]:
    for table, there in tables.items():
        for key in wanted:
            if key not in there:
                yield f"table {table} lacks {_named(key)}"


def _named(key: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in key[:-1]) + (
        f", layer {key[-1]}" if isinstance(key[-1], int) else f", {key[-1]}"
    )


@cache
def _columns(file_format: int) -> dict[str, frozenset[str]]:
    """Derived table -> the columns it has in a format."""
    with duckdb.connect() as connection:
        connection.execute(derived_tables(1))
        found = {
            table: {str(row[0]) for row in connection.execute(f"DESCRIBE {table}").fetchall()}
            for table in DERIVED_TABLES
        }
    for number in range(file_format + 1, FORMAT + 1):
        for table, columns in ADDED_COLUMNS.get(number, {}).items():
            found.get(table, set()).difference_update(name.split()[0] for name in columns)
    return {table: frozenset(names) for table, names in found.items()}

"""Projections of the cases that enter r, read from a run or from its work file."""

from __future__ import annotations

import duckdb
import numpy as np
from numpy.typing import NDArray

Drifts = tuple[dict[int, NDArray[np.float64]], NDArray[np.float64]]
Key = tuple[str, str, str]


def read_drifts(
    connection: duckdb.DuckDBPyConnection,
    method: str | None = None,
    trait: str | None = None,
    layer: int | None = None,
) -> dict[Key, Drifts]:
    """Projection drifts (or levels) of all cases, by layer, beside the cases' behaviour.

    Args:
        connection: an open run or work file with its layers derived.
        method: only this method; None for all.
        trait: only this trait; None for all.
        layer: only this layer; None for all.

    Returns:
        (method, trait, prompt set) -> (layer -> drift of each case in order of case_id, behaviour
        of each case); both empty where the method has no vector.
    """
    only = {"method": method, "trait": trait}
    found: dict[Key, Drifts] = {
        row: ({}, np.zeros(0))
        for row in connection.execute(
            "SELECT DISTINCT method, trait, prompt_set FROM correlations"
            " WHERE ($method IS NULL OR method = $method) AND ($trait IS NULL OR trait = $trait)"
            " ORDER BY ALL",
            only,
        ).fetchall()
    }
    rows = connection.execute(
        "SELECT l.method, l.trait, l.prompt_set, l.layer,"
        " list(l.projection - coalesce(f.projection, 0) ORDER BY b.case_id),"
        " list(b.value ORDER BY b.case_id) FROM behaviours b"
        " JOIN projections l ON l.trait = b.trait AND l.response_id = b.last_response"
        " LEFT JOIN projections f ON f.trait = b.trait AND f.response_id = b.first_response"
        " AND f.method = l.method AND f.prompt_set = l.prompt_set AND f.layer = l.layer"
        " WHERE ($method IS NULL OR l.method = $method) AND ($trait IS NULL OR l.trait = $trait)"
        " AND ($layer IS NULL OR l.layer = $layer) GROUP BY ALL ORDER BY ALL",
        only | {"layer": layer},
    ).fetchall()
    for name, of_trait, prompt_set, at, drift, values in rows:
        layers, _ = found[name, of_trait, prompt_set]
        layers[at] = np.array(drift)
        found[name, of_trait, prompt_set] = (layers, np.array(values))
    return found

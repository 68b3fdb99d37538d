"""The cases that enter r, as read from a run: who, which scores, how long."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cases:
    """The cases of one trait in order of case_id, which is the order of read_drifts too.

    Attributes:
        scenarios: scenario of each case.
        responders: who responded.
        first: score at t1, [cases]; None for levels.
        last: score at tN (or of the single response), [cases].
        behaviour: drift of the score (or its level), [cases].
        length: drift (or level) of the response's number of tokens, [cases].
    """

    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    first: NDArray[np.float64] | None
    last: NDArray[np.float64]
    behaviour: NDArray[np.float64]
    length: NDArray[np.float64]


def read_cases(connection: duckdb.DuckDBPyConnection, trait: str) -> Cases:
    """The cases of one trait; empty where the study has no scored responses.

    Args:
        connection: an open run.
        trait: one of its traits.
    """
    rows = connection.execute(
        # A text has as many tokens at every layer.
        "WITH lengths AS (SELECT response_id, tokens FROM response_activations"
        " WHERE layer = (SELECT min(layer) FROM response_activations))"
        " SELECT c.scenario, c.responder, f.score, l.score, c.value, b.tokens, a.tokens"
        " FROM behaviours c"
        " LEFT JOIN scores f ON f.response_id = c.first_response AND f.trait = c.trait"
        " JOIN scores l ON l.response_id = c.last_response AND l.trait = c.trait"
        " LEFT JOIN lengths b ON b.response_id = c.first_response"
        " JOIN lengths a ON a.response_id = c.last_response"
        " WHERE c.trait = ? ORDER BY c.case_id",
        [trait],
    ).fetchall()
    if not rows:
        empty = np.zeros(0)
        return Cases((), (), None, empty, empty, empty)
    scenarios, responders, *columns = zip(*rows, strict=True)
    first, last, behaviour, before, after = (np.array(part, np.float64) for part in columns)
    levels = bool(np.isnan(first).any())
    return Cases(
        scenarios=scenarios,
        responders=responders,
        first=None if levels else first,
        last=last,
        behaviour=behaviour,
        length=after if levels else after - before,
    )

"""What a run recorded of the first token of its texts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from backend.core.first_token import FirstTokens
from backend.core.geometry.prompt_space import Floats
from backend.store.connection import Connection
from backend.types import Pooling


@dataclass(frozen=True)
class StoredFirst:
    """The first tokens of the prompts of one cell.

    Attributes:
        pooling: how the run pooled.
        tokens: how many tokens each prompt's mean is over, [n], by prompt id.
        first: of the same prompts, [n]; None where nothing was recorded: a simulated run, or one
            of a format before it.
        response_share: median of the first token's share over all responses; None likewise.
    """

    pooling: Pooling
    tokens: Floats
    first: FirstTokens | None
    response_share: float | None


def read_first_tokens(
    connection: Connection, trait: str, prompt_set: str, layer: int
) -> StoredFirst:
    """Read them from an open run.

    Args:
        connection: the run.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
    """
    pooling = connection.execute("SELECT value FROM run WHERE key = 'pooling'").fetchall()[0][0]
    known = connection.execute(
        "SELECT count(*) FROM information_schema.columns"
        " WHERE table_name = 'prompt_activations' AND column_name = 'first_norm'"
    ).fetchall()[0][0]
    columns = "first_norm, first_share" if known else "NULL, NULL"
    rows = connection.execute(
        f"SELECT tokens, {columns} FROM prompt_activations JOIN prompts USING (prompt_id)"
        " WHERE trait = ? AND prompt_set = ? AND layer = ? ORDER BY prompt_id",
        [trait, prompt_set, layer],
    ).fetchall()
    tokens, norms, shares = np.array(rows, np.float64).reshape(-1, 3).T
    if not known or np.isnan(norms).all():
        return StoredFirst(json.loads(pooling), tokens, None, None)
    share = connection.execute(
        "SELECT median(first_share) FROM response_activations WHERE layer = ?", [layer]
    ).fetchall()[0][0]
    return StoredFirst(json.loads(pooling), tokens, FirstTokens(norms, shares), share)

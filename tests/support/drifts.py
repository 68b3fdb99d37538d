"""Projection drifts computed anew from the activations a run stores."""

from __future__ import annotations

import numpy as np

from backend.store.connection import matrix_of
from tests.support.raw import reading_run


def drifts_of(settings, run_id, trait):
    """Layer -> drift along the mean difference, from activations; and drift of the scores."""
    with reading_run(settings, run_id) as connection:
        poles = connection.execute(
            "SELECT pole = 'high' FROM prompts WHERE trait = ? ORDER BY prompt_id", [trait]
        ).fetchall()
        high = np.array(poles)[:, 0].astype(bool)
        cases = connection.execute(
            "SELECT first_response, last_response FROM behaviours WHERE trait = ? ORDER BY case_id",
            [trait],
        ).fetchall()
        scores = dict(
            connection.execute(
                "SELECT response_id, score FROM scores WHERE trait = ?", [trait]
            ).fetchall()
        )
        layers = connection.execute("SELECT DISTINCT layer FROM gram ORDER BY 1").fetchall()
        found = {}
        for (layer,) in layers:
            prompts = matrix_of(
                connection,
                "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
                " WHERE trait = ? AND layer = ? ORDER BY prompt_id",
                [trait, layer],
            ).astype(np.float64)
            rows = matrix_of(
                connection,
                "SELECT activation FROM response_activations WHERE layer = ? ORDER BY response_id",
                [layer],
            ).astype(np.float64)
            v = prompts[high].mean(0) - prompts[~high].mean(0)
            projected = rows @ v / np.linalg.norm(v)
            found[layer] = np.array([projected[last] - projected[first] for first, last in cases])
    return found, np.array([scores[last] - scores[first] for first, last in cases])

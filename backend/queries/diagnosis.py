"""Why the cells of a run fail."""

from __future__ import annotations

import numpy as np

from backend.diagnosis.cause import Judgement
from backend.diagnosis.diagnose import Diagnosis, diagnose
from backend.diagnosis.evidence import CellEvidence
from backend.errors import StoreError
from backend.geometry.prompt_space import Floats
from backend.queries.cells import METHOD
from backend.queries.scorecard import scorecard
from backend.settings import Settings
from backend.store.connection import Connection, matrix_of
from backend.store.drifts import read_drifts
from backend.store.first_tokens import read_first_tokens
from backend.store.run_files import reading_run

__all__ = ["Diagnosis", "Judgement", "diagnose_run", "read_evidence"]


def diagnose_run(
    settings: Settings,
    run_id: str,
    prompt_set: str = "default",
    trait: str | None = None,
    layer: int | None = None,
) -> tuple[Diagnosis, ...]:
    """Diagnose the cells of a run.

    Args:
        settings: where the store is, and the thresholds of a status.
        run_id: a published run.
        prompt_set: which prompts the vectors are built from.
        trait: only this trait; None for all.
        layer: at this layer; None for every trait's layer with the highest r (or the lowest
            layer where r is undefined).

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
        StoreError: it has no such trait, prompt set or layer.
    """
    card = scorecard(settings, [run_id], prompt_set, layer)
    chosen = [cell for (_, name), cell in card.cells.items() if trait in (None, name)]
    if not chosen:
        raise StoreError(
            f"Run {run_id} has no cell with trait {trait or 'any'}, prompt set {prompt_set}"
            + (f" and layer {layer}." if layer is not None else "."),
            expected="a trait, a prompt set and a layer of the run.",
            remedy=f"list them with: python -m backend metrics {run_id}.",
        )
    found = []
    with reading_run(settings, run_id) as connection:
        for cell in chosen:
            at = cell.layer if cell.layer is not None else _lowest(connection)
            evidence = read_evidence(connection, settings, cell.trait, prompt_set, at)
            found.append(diagnose(evidence))
    return tuple(found)


def read_evidence(
    connection: Connection, settings: Settings, trait: str, prompt_set: str, layer: int
) -> CellEvidence:
    """Everything the rules need of one cell of an open run.

    Args:
        connection: the run.
        settings: for the thresholds of a status.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
    """
    poles = connection.execute(
        "SELECT prompt_set, pole = 'high' FROM prompts WHERE trait = ? ORDER BY prompt_id", [trait]
    ).fetchall()
    members = np.array([name == prompt_set for name, _ in poles])
    gram = matrix_of(
        connection,
        "SELECT products FROM gram WHERE metric = 'identity' AND trait = ? AND layer = ?"
        " ORDER BY prompt_id",
        [trait, layer],
    )
    dominance = connection.execute(
        "SELECT value FROM metrics WHERE name = 'dominance' AND trait = ? AND prompt_set = ?"
        " AND layer = ?",
        [trait, prompt_set, layer],
    ).fetchall()[0][0]
    here = read_drifts(connection, trait=trait, layer=layer)
    drifts = {
        method: by_layer[layer]
        for (method, _, own_set), (by_layer, _) in here.items()
        if own_set == prompt_set and layer in by_layer
    }
    layer_drifts, behaviour = read_drifts(connection, METHOD, trait)[METHOD, trait, prompt_set]
    low, high = connection.execute("SELECT score_low, score_high FROM study").fetchall()[0]
    first, last, lengths = _cases(connection, trait, layer)
    start = read_first_tokens(connection, trait, prompt_set, layer)
    return CellEvidence(
        trait=trait,
        layer=layer,
        gram=gram[np.ix_(members, members)].astype(np.float64),
        high=np.array([is_high for _, is_high in poles])[members],
        dominance=dominance,
        drifts=drifts,
        layer_drifts=layer_drifts,
        behaviour=behaviour,
        first_scores=first,
        last_scores=last,
        score_range=(low, high),
        length_drift=lengths,
        thresholds=settings.thresholds,
        pooling=start.pooling,
        tokens=start.tokens,
        first=start.first,
        response_first_share=start.response_share,
    )


def _cases(connection: Connection, trait: str, layer: int) -> tuple[Floats | None, Floats, Floats]:
    """Scores at t1 (None for levels) and tN, and length drift (or level), of every case."""
    rows = connection.execute(
        "SELECT f.score, l.score, b.tokens, a.tokens FROM behaviours c"
        " LEFT JOIN scores f ON f.response_id = c.first_response AND f.trait = c.trait"
        " JOIN scores l ON l.response_id = c.last_response AND l.trait = c.trait"
        " LEFT JOIN response_activations b ON b.response_id = c.first_response AND b.layer = $layer"
        " JOIN response_activations a ON a.response_id = c.last_response AND a.layer = $layer"
        " WHERE c.trait = $trait ORDER BY c.case_id",
        {"trait": trait, "layer": layer},
    ).fetchall()
    if not rows:
        return None, np.zeros(0), np.zeros(0)
    first, last, before, after = (np.array(part, np.float64) for part in zip(*rows, strict=True))
    if np.isnan(first).any():
        return None, last, after
    return first, last, after - before


def _lowest(connection: Connection) -> int:
    return int(connection.execute("SELECT min(layer) FROM correlations").fetchall()[0][0])

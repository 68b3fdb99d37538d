"""Why the cells of a run fail."""

from __future__ import annotations

import numpy as np

from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS_BY_NAME
from backend.core.vectors.pipeline import Pipeline
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.cases import read_cases
from backend.store.connection import Connection, matrix_of
from backend.store.drifts import read_drifts
from backend.store.first_tokens import read_first_tokens
from backend.views.diagnosis.cause import Fix, Judgement
from backend.views.diagnosis.diagnose import Diagnosis, diagnose
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.scorecard.compute import scorecard

__all__ = ["Diagnosis", "Fix", "Judgement", "diagnose_run", "fix_pipeline", "read_evidence"]


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


def fix_pipeline(fix: Fix) -> Pipeline | None:
    """The settings of the Filter lab that are this fix; None where it is no vector of prompts."""
    return None if fix.method is None else METHODS_BY_NAME[fix.method].pipeline


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
    layer_drifts, behaviour = read_drifts(connection, MEAN_DIFFERENCE, trait)[
        MEAN_DIFFERENCE, trait, prompt_set
    ]
    low, high = connection.execute("SELECT score_low, score_high FROM study").fetchall()[0]
    cases = read_cases(connection, trait)
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
        first_scores=cases.first,
        last_scores=cases.last,
        score_range=(low, high),
        length_drift=cases.length,
        thresholds=settings.thresholds,
        pooling=start.pooling,
        tokens=start.tokens,
        first=start.first,
        response_first_share=start.response_share,
    )


def _lowest(connection: Connection) -> int:
    return int(connection.execute("SELECT min(layer) FROM correlations").fetchall()[0][0])

"""The best layer of every method and trait, with what the choice is worth; once all are there."""

from __future__ import annotations

import numpy as np

from backend.core.estimate import Estimate
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.permutation import BestLayer, best_layer
from backend.core.vectors.methods import method_named
from backend.runs.columns import Columns, doubles, integers, texts
from backend.store.run import DriftKey, Drifts
from backend.store.work_file import WorkFile

PERMUTATIONS = 1999
FITTED = "fitted on these scores: permuting them would need the probe to be fitted again"


def derive_best_layers(work: WorkFile) -> None:
    """Compute and commit the best layer of every method, trait and prompt set. Repeatable.

    Traits whose rows are there already are left alone.

    Args:
        work: a work file with all its layers derived.
    """
    rows: list[Columns] = []
    traits = work.run.traits_without_best_layer()
    drifts_of: dict[DriftKey, Drifts] = {}
    for trait in sorted(traits):
        drifts_of |= work.run.drifts(trait=trait)
    for (method, trait, prompt_set), (drifts, values) in drifts_of.items():
        found = layers_of = None
        held = Estimate.undefined(len(values), "r is undefined")
        if len(values):
            layers_of = sorted(drifts)
            matrix = np.stack([drifts[layer] for layer in layers_of])
            scored = work.run.scored_cases(trait)
            cases = scored.cases(values, values)
            found = best_layer(matrix, cases, permutations=PERMUTATIONS)
            held = held_out_choice(matrix, cases)
        rows.append(_row(method, trait, prompt_set, found, layers_of, held))
    for chunk in rows:
        if method_named(str(chunk["method"][0])).fitted:  # type: ignore[index]
            chunk |= {"p": doubles([None]), "null_95": doubles([None]), "reason": [FITTED]}
    work.replace({"best_layers": rows}, None, traits)


def _row(
    method: str,
    trait: str,
    prompt_set: str,
    found: BestLayer | None,
    layers: list[int] | None,
    held: Estimate,
) -> Columns:
    layer = None
    if found is not None and found.index is not None and layers is not None:
        layer = layers[found.index]
    reason = held.reason if found is None else found.reason or held.reason
    return {
        "method": [method],
        "trait": [trait],
        "prompt_set": [prompt_set],
        "layer": integers([layer]),
        "of_layers": integers([len(layers or ())]),
        "r": doubles([found.r if found else None]),
        "p": doubles([found.p if found else None]),
        "null_95": doubles([found.null_95 if found else None]),
        "held_out_r": doubles([held.value]),
        "held_out_low": doubles([held.low]),
        "held_out_high": doubles([held.high]),
        "held_out_p": doubles([held.p]),
        "reason": texts([reason]),
    }

"""The best layer of every method and trait, with what the choice is worth; once all are there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.core.estimate import Estimate
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.permutation import BestLayer, best_layers
from backend.core.vectors.methods import method_named
from backend.runs.columns import Columns, doubles, integers, texts
from backend.runs.threads import side_by_side
from backend.store.run import DriftKey, Drifts
from backend.store.run_values import ScoredCases
from backend.store.work_file import WorkFile

PERMUTATIONS = 1999
FITTED = "fitted on these scores: permuting them would need the probe to be fitted again"


def derive_best_layers(work: WorkFile) -> None:
    """Compute and commit the best layer of every method, trait and prompt set. Repeatable.

    Traits whose rows are there already are left alone.

    Args:
        work: a work file with all its layers derived.
    """
    traits = sorted(work.run.traits_without_best_layer())
    drifts = [work.run.drifts(trait=trait) for trait in traits]
    scored = [work.run.scored_cases(trait) for trait in traits]
    with side_by_side() as pool:
        rows = [row for own in pool.map(_of_trait, drifts, scored) for row in own]
    work.replace({"best_layers": rows}, traits=traits)


def _of_trait(drifts: Mapping[DriftKey, Drifts], scored: ScoredCases) -> list[Columns]:
    """The best layer of every method and prompt set of a trait."""
    known = [key for key, (_, values) in drifts.items() if len(values)]
    found: dict[DriftKey, tuple[BestLayer, Estimate]] = {}
    if known:
        matrices = [
            np.stack([drifts[key][0][layer] for layer in sorted(drifts[key][0])]) for key in known
        ]
        values = drifts[known[0]][1]
        cases = scored.cases(values, values)
        best = best_layers(matrices, cases, permutations=PERMUTATIONS)
        for key, matrix, one in zip(known, matrices, best, strict=True):
            found[key] = (one, held_out_choice(matrix, cases))
    rows = []
    for key, (layers, values) in drifts.items():
        undefined = Estimate.undefined(len(values), "r is undefined")
        best_of, held = found.get(key, (None, undefined))
        row = _row(*key, best_of, sorted(layers), held)
        if method_named(key[0]).fitted:
            row |= {"p": doubles([None]), "null_95": doubles([None]), "reason": [FITTED]}
        rows.append(row)
    return rows


def _row(
    method: str,
    trait: str,
    prompt_set: str,
    found: BestLayer | None,
    layers: list[int],
    held: Estimate,
) -> Columns:
    layer = None
    if found is not None and found.index is not None:
        layer = layers[found.index]
    reason = held.reason if found is None else found.reason or held.reason
    return {
        "method": [method],
        "trait": [trait],
        "prompt_set": [prompt_set],
        "layer": integers([layer]),
        "of_layers": integers([len(layers)]),
        "r": doubles([found.r if found else None]),
        "p": doubles([found.p if found else None]),
        "null_95": doubles([found.null_95 if found else None]),
        "held_out_r": doubles([held.value]),
        "held_out_low": doubles([held.low]),
        "held_out_high": doubles([held.high]),
        "held_out_p": doubles([held.p]),
        "reason": texts([reason]),
    }

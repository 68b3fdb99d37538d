"""Why the cells of a run fail."""

from __future__ import annotations

import dataclasses

import numpy as np

from backend.core.dose import SteeringResult
from backend.core.estimate import Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE, method_named
from backend.core.vectors.pipeline import Pipeline
from backend.errors import StoreError
from backend.settings import StatusThresholds
from backend.store.run import Run
from backend.views.diagnosis.cause import Fix
from backend.views.diagnosis.diagnose import Diagnosis, diagnose
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.thresholds import DOMINANCE
from backend.views.scorecard.compute import scorecard
from backend.views.shared.reliability import reliability_of


def diagnose_run(
    run: Run,
    prompt_set: str,
    trait: str | None,
    layer: int | None,
    thresholds: StatusThresholds,
    steering: tuple[SteeringResult, ...] = (),
) -> tuple[Diagnosis, ...]:
    """Diagnose the cells of a run, by trait in the study's order.

    Args:
        run: an open run.
        prompt_set: which prompts the vectors are built from.
        trait: only this trait; None for all.
        layer: at this layer; None for every trait's layer with the highest r, or the run's
            middle one where r is undefined, as every page has it.
        thresholds: where r turns from failed to close to working.
        steering: how cells of the run steer, where that was measured.

    Raises:
        StoreError: the run has no such trait, prompt set or layer.
    """
    run_id = run.record.run_id
    card = scorecard([run], prompt_set, layer, thresholds)
    chosen = [cell for (_, name), cell in card.cells.items() if trait in (None, name)]
    if not chosen:
        raise StoreError(
            f"Run {run_id} has no cell with trait {trait or 'any'}, prompt set {prompt_set}"
            + (f" and layer {layer}." if layer is not None else "."),
            expected="a trait, a prompt set and a layer of the run.",
            remedy=f"list them with: python -m backend metrics {run_id}.",
        )
    middle = run.summary().middle_layer
    found = []
    for cell in chosen:
        at = middle if cell.layer is None else cell.layer
        given = layer is not None
        evidence = cell_evidence(run, cell.trait, prompt_set, at, thresholds, layer_given=given)
        steered = next(
            (
                one
                for one in steering
                if (one.trait, one.prompt_set, one.layer) == (cell.trait, prompt_set, at)
            ),
            None,
        )
        found.append(diagnose(dataclasses.replace(evidence, steering=steered)))
    return tuple(found)


def r_of_fix(run: Run, prompt_set: str, trait: str, layer: int, fix: Fix) -> Estimate:
    """r of the fixed vector on all cases, beside which r of the mean difference can be put.

    Args:
        run: an open run.
        prompt_set: one of its prompt sets.
        trait: one of its traits.
        layer: where the fix is used unless it names a layer.
        fix: undefined where it is another pooling, which this run cannot tell.
    """
    if fix.pooling is not None:
        return fix.gain
    method = MEAN_DIFFERENCE if fix.method is None else fix.method
    at = layer if fix.layer is None else fix.layer
    (row,) = run.correlations(method, trait, prompt_set, at)
    return row.correlation


def fix_pipeline(fix: Fix) -> Pipeline | None:
    """The settings of the Filter lab that are this fix; None where it is no vector of prompts."""
    return None if fix.method is None else method_named(fix.method).pipeline


def cell_evidence(
    run: Run,
    trait: str,
    prompt_set: str,
    layer: int,
    thresholds: StatusThresholds,
    *,
    layer_given: bool,
) -> CellEvidence:
    """Everything the rules need of one cell.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
        thresholds: where r turns from failed to close to working.
        layer_given: whether the user chose the layer, and not r.
    """
    prompts = [prompt for prompt in run.prompts(trait) if prompt.prompt_set == prompt_set]
    cells = {cell.key.layer: cell for cell in run.cells(trait, prompt_set)}
    cell = cells[layer]
    # One layer's drifts are all that is needed of methods where no layer is chosen.
    stored = run.drifts(trait=trait, layer=layer if layer_given else None)
    if layer_given:
        stored |= run.drifts(MEAN_DIFFERENCE, trait)
    return CellEvidence(
        trait=trait,
        layer=layer,
        layer_given=layer_given,
        traits=len(run.traits_of_set(prompt_set)),
        gram=run.gram(trait, layer, prompt_set),
        high=np.array([prompt.pole == "high" for prompt in prompts]),
        texts=tuple(prompt.text for prompt in prompts),
        dominance=cell.metrics["dominance"],
        massive_elsewhere=tuple(
            at
            for at, other in cells.items()
            if at != layer and (other.metrics["dominance"].value or 0.0) >= DOMINANCE
        ),
        split_half=cell.metrics["split_half_stability"],
        drifts_by_layer={
            method: by_layer
            for (method, _, own_set), (by_layer, _) in stored.items()
            if own_set == prompt_set and by_layer
        },
        cases=run.scored_cases(trait),
        score_range=run.score_range,
        thresholds=thresholds,
        first_tokens=run.first_tokens(trait, prompt_set, layer),
        reliability=reliability_of(run.repeated_scores(trait)),
        bootstrap=cell.bootstrap,
        rank=cell.rank,
        reasons={
            row.method: row.correlation.reason
            for row in run.correlations(None, trait, prompt_set, layer)
            if row.correlation.value is None and row.correlation.reason
        },
    )

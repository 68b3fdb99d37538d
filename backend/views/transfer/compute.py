"""Whether other models' vectors do better: every ordered pair of runs on every trait."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.runs.imported_vectors import (
    NamedVector,
    best_layer,
    correlations,
    on_run,
    undefined_because,
)
from backend.runs.saved_vectors import saved_cases
from backend.store.catalog import run_names
from backend.store.imported_vector import ImportedVector
from backend.store.run import DriftKey, Drifts, Run
from backend.store.run_values import CaseTexts, RunSummary
from backend.store.saved_vector import SavedVector
from backend.views.transfer.agreement import Agreement, agreements, behaviours, groups_of
from backend.views.transfer.matching import Matching, transfer_case
from backend.views.transfer.model_projections import ModelProjections, responder_names
from backend.views.transfer.transfers import Transfer, transfers


@dataclass(frozen=True)
class TransferView:
    """Every A -> B of some runs.

    Attributes:
        models: the runs' names, in order.
        traits: the traits compared.
        transfers: one per trait and ordered pair of models; p is adjusted over those defined.
        saved: the same with saved and imported vectors as A, adjusted among themselves.
        own: (trait, model) -> r of the model's own projections with its behaviour.
        layers: (trait, activation source) -> layer of its vector; None where it has none.
        judged_on: model -> who wrote the responses whose scores count as its behaviour.
        agreements: how alike the responders behave, every pair and trait.
        responders: who wrote responses.
    """

    models: tuple[str, ...]
    traits: tuple[str, ...]
    transfers: tuple[Transfer, ...]
    saved: tuple[Transfer, ...]
    own: Mapping[tuple[str, str], Estimate]
    layers: Mapping[tuple[str, str], int | None]
    judged_on: Mapping[str, tuple[str, ...]]
    agreements: tuple[Agreement, ...]
    responders: tuple[str, ...]

    @property
    def judged_alike(self) -> bool:
        """Whether the same responses count as every model's behaviour: then A → B and B → A are
        one comparison with the sign turned."""
        return len({self.judged_on[model] for model in self.models}) == 1

    def tests(self, trait: str | None = None) -> int:
        """How many different tests p is adjusted over.

        Args:
            trait: of these, those of one trait; None for all.
        """
        found = sum(
            found.difference.p is not None
            for found in self.transfers
            if trait is None or found.trait == trait
        )
        return found // 2 if self.judged_alike else found


def transfer_view(
    runs: Sequence[Run],
    saved: Sequence[NamedVector],
    traits: Sequence[str],
    prompt_set: str,
    layer: int | None = None,
    by: Matching = "text",
) -> TransferView:
    """Compare the mean-difference vectors of some runs.

    Args:
        runs: of one study or of several that share scenarios.
        saved: named vectors; those saved from these runs, traits and prompts are further sources,
            and so are imported ones of these traits on every run.
        traits: which traits.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of every run; None for each run's and trait's layer with the highest r.
        by: whether A's projection is of the response B is judged on, or of A's own response to
            the same scenario.
    """
    names = run_names([run.summary() for run in runs])
    models = [
        _read(run, name, traits, prompt_set, layer) for run, name in zip(runs, names, strict=True)
    ]
    here = [vector for vector in saved if vector.trait in traits]
    lab = [v for v in here if isinstance(v, SavedVector) and v.prompt_set == prompt_set]
    imported = [v for v in here if isinstance(v, ImportedVector)]
    extra = [*_saved(models, lab), *_imported(models, imported, layer)]
    layers = {(trait, model.name): model.layers[trait] for trait in traits for model in models}
    layers |= {(projections.trait, projections.model): at for projections, at in extra}
    alike = behaviours([model.cases for model in models])
    dependent = groups_of([model.cases for model in models])
    return TransferView(
        models=tuple(names),
        traits=tuple(traits),
        transfers=transfers(
            [
                transfer_case(other.projections[trait], own.projections[trait], by)
                for trait in traits
                for other, own in permutations(models, 2)
            ]
        ),
        saved=transfers(
            [
                transfer_case(projections, own.projections[projections.trait], by)
                for projections, _ in extra
                for own in models
            ]
        ),
        own={(t, model.name): model.projections[t].own_r() for t in traits for model in models},
        layers=layers,
        judged_on={model.name: model.judged_on() for model in models},
        agreements=tuple(a for a in agreements(alike, dependent) if a.trait in traits),
        responders=tuple(sorted({who for found in alike.values() for who in found})),
    )


@dataclass(frozen=True, eq=False)
class _Model:
    """What one run adds: its cases, its projections of every trait, and their layers."""

    run: Run
    name: str
    responders: tuple[str, ...]
    cases: Mapping[str, CaseTexts]
    projections: Mapping[str, ModelProjections]
    layers: Mapping[str, int | None]

    def judged_on(self) -> tuple[str, ...]:
        """Who wrote the responses whose scores count as its behaviour, sorted."""
        return tuple(sorted({who for own in self.projections.values() for who in own.judged_on()}))


def _read(run: Run, name: str, traits: Sequence[str], prompt_set: str, layer: int | None) -> _Model:
    summary, cases = run.summary(), run.case_texts()
    drifts = run.drifts(MEAN_DIFFERENCE, layer=layer)
    best = {row.trait: row.layer for row in run.best_layers(MEAN_DIFFERENCE, prompt_set)}
    responders = responder_names(summary)
    projections: dict[str, ModelProjections] = {}
    layers: dict[str, int | None] = {}
    for trait in traits:
        at = best.get(trait) if layer is None else layer
        projection, reason = _projection(summary, drifts, (MEAN_DIFFERENCE, trait, prompt_set), at)
        scored = cases.get(trait, CaseTexts((), (), (), np.zeros(0)))
        projections[trait] = ModelProjections(trait, name, responders, scored, projection, reason)
        layers[trait] = None if projection is None else at
    return _Model(run, name, responders, cases, projections, layers)


def _projection(
    summary: RunSummary, drifts: Mapping[DriftKey, Drifts], key: DriftKey, layer: int | None
) -> tuple[Floats | None, str | None]:
    """The drift of the projections at a layer, or why there is none."""
    _, trait, prompt_set = key
    if trait not in summary.traits:
        return None, f"its study has no trait {trait.replace('_', ' ')}"
    if key not in drifts:
        return None, f"its study has no prompts of the set {prompt_set} for this trait"
    by_layer, _ = drifts[key]
    if layer is None:
        return None, "its r is undefined at every layer, so none is the best"
    if layer not in summary.record.layers:
        return None, f"layer {layer} was not extracted"
    if layer not in by_layer:
        return None, "it has no scored responses, or no vector at this layer"
    return by_layer[layer], None


def _saved(
    models: Sequence[_Model], saved: Sequence[SavedVector]
) -> list[tuple[ModelProjections, int | None]]:
    """Named vectors of these runs as further sources of projections, with their layers."""
    by_id = {model.run.record.run_id: model for model in models}
    found: list[tuple[ModelProjections, int | None]] = []
    for vector in saved:
        model = by_id.get(vector.run_id)
        if model is None or vector.trait not in model.cases:
            continue
        projections = ModelProjections(
            vector.trait,
            f"{vector.name} (saved, {model.name})",
            model.responders,
            model.cases[vector.trait],
            saved_cases(model.run, vector).x,
        )
        found.append((projections, vector.layer))
    return found


def _imported(
    models: Sequence[_Model], vectors: Sequence[ImportedVector], layer: int | None
) -> list[tuple[ModelProjections, int | None]]:
    """Imported vectors on every run, at the layer or at that of the highest r on the run."""
    found: list[tuple[ModelProjections, int | None]] = []
    for vector in vectors:
        for model in models:
            if vector.trait not in model.cases:
                continue
            on = on_run(model.run, vector, layer)
            rs = correlations(on)
            at = best_layer(rs)
            why = undefined_because(rs) if at is None else None
            projections = ModelProjections(
                vector.trait,
                f"{vector.name} (imported, {model.name})",
                model.responders,
                model.cases[vector.trait],
                None if at is None else on.cases[at].x,
                why,
            )
            found.append((projections, at))
    return found


def scored_pairs(run: Run) -> frozenset[tuple[str, str]]:
    """(trait, scenario) of every scored case: the same in every run of a study."""
    return run.scenario_pairs()


def related_runs(
    run_id: str,
    runs: Sequence[RunSummary],
    pairs: Callable[[str], frozenset[tuple[str, str]]],
) -> tuple[str, ...]:
    """Runs of other studies that share a scenario and a trait with a run, in the order given.

    Simulated runs are related to none: their activations are of no text.

    Args:
        run_id: one of the runs.
        runs: all that could be related.
        pairs: run id -> :func:`scored_pairs`; asked for one run of each study.
    """
    own = next(run for run in runs if run.run_id == run_id)
    if own.simulated:
        return ()
    others = [run for run in runs if not run.simulated and run.study_key != own.study_key]
    one_each = {run.study_key: run.run_id for run in others}
    if not one_each:
        return ()
    mine = pairs(run_id)
    related = {key for key, other in one_each.items() if mine & pairs(other)}
    return tuple(run.run_id for run in others if run.study_key in related)

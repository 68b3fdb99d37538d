"""Whether other models' vectors do better: every ordered pair of runs on every trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.runs.saved_vectors import saved_drift, saved_vectors
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.drifts import Drifts, Key, read_drifts
from backend.store.run import list_run_ids, reading_run
from backend.store.run_record import SIMULATED
from backend.store.run_values import RunSummary
from backend.views.transfer.agreement import Agreement, agreements
from backend.views.transfer.matching import Matching, Reading, transfer_case
from backend.views.transfer.model_cases import (
    TraitCases,
    behaviours,
    read_trait_cases,
    responder_names,
    run_names,
)
from backend.views.transfer.transfers import Transfer, transfers

__all__ = ["Agreement", "Matching", "Transfer", "TransferView", "related_runs", "transfer_view"]


@dataclass(frozen=True)
class TransferView:
    """Every A -> B of some runs.

    Attributes:
        models: the runs' names, in order.
        traits: the traits compared.
        transfers: one per trait and ordered pair of models; p is adjusted over those defined.
        saved: the same with saved vectors as A, adjusted among themselves.
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
    own: dict[tuple[str, str], Estimate]
    layers: dict[tuple[str, str], int | None]
    judged_on: dict[str, tuple[str, ...]]
    agreements: tuple[Agreement, ...]
    responders: tuple[str, ...]

    def tests(self) -> int:
        """How many tests p is adjusted over."""
        return sum(found.difference.p is not None for found in self.transfers)


@dataclass(frozen=True)
class _Run:
    """What one run adds: its name on screen, its cases, and a reading of every trait."""

    name: str
    summary: RunSummary
    cases: dict[str, TraitCases]
    readings: dict[str, Reading]
    layers: dict[str, int | None]


def transfer_view(
    settings: Settings,
    run_ids: Sequence[str],
    traits: Sequence[str],
    prompt_set: str,
    layer: int | None = None,
    by: Matching = "text",
) -> TransferView:
    """Compare the mean-difference vectors of some runs.

    Args:
        settings: where the store is.
        run_ids: the runs, of one study or of several that share scenarios.
        traits: which traits.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of every run; None for each run's and trait's layer with the highest r.
        by: whether A's projection is of the response B is judged on, or of A's own response to
            the same scenario.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    summaries = [run_summary(settings, run_id) for run_id in run_ids]
    runs = [
        _read(settings, summary, name, traits, prompt_set, layer)
        for summary, name in zip(summaries, run_names(summaries), strict=True)
    ]
    cases = [
        transfer_case(other.readings[trait], own.readings[trait], by)
        for trait in traits
        for other, own in permutations(runs, 2)
    ]
    layers = {(trait, run.name): run.layers[trait] for trait in traits for run in runs}
    extra = _saved(settings, runs, traits, prompt_set)
    layers |= {(reading.trait, reading.model): at for reading, at in extra}
    saved = [
        transfer_case(reading, own.readings[reading.trait], by)
        for reading, _ in extra
        for own in runs
    ]
    alike = behaviours([run.cases for run in runs])
    judged_on = {run.name: _judged_on(run) for run in runs}
    return TransferView(
        models=tuple(run.name for run in runs),
        traits=tuple(traits),
        transfers=transfers(cases),
        saved=transfers(saved),
        own={(t, run.name): _own(run.readings[t]) for t in traits for run in runs},
        layers=layers,
        judged_on=judged_on,
        agreements=tuple(a for a in agreements(alike) if a.trait in traits),
        responders=tuple(sorted({who for found in alike.values() for who in found})),
    )


def related_runs(settings: Settings, run_id: str) -> tuple[str, ...]:
    """Runs of other studies that share a scenario and a trait with a run, oldest first.

    Simulated runs are related to none: their activations are of no text.

    Args:
        settings: where the store is.
        run_id: a published run.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    study, simulated, mine = _scenarios(settings, run_id)
    found = []
    for other in list_run_ids(settings):
        if simulated or other == run_id:
            continue
        its_study, its_simulated, theirs = _scenarios(settings, other)
        if its_study != study and not its_simulated and mine & theirs:
            found.append(other)
    return tuple(found)


def _scenarios(settings: Settings, run_id: str) -> tuple[str, bool, set[tuple[str, str]]]:
    summary = run_summary(settings, run_id)
    with reading_run(settings, run_id) as connection:
        rows = connection.execute("SELECT DISTINCT trait, scenario FROM behaviours").fetchall()
    return summary.study_key, summary.record.model_source == SIMULATED, set(rows)


def _read(
    settings: Settings,
    summary: RunSummary,
    name: str,
    traits: Sequence[str],
    prompt_set: str,
    layer: int | None,
) -> _Run:
    with reading_run(settings, summary.record.run_id) as connection:
        cases = read_trait_cases(connection)
        drifts = read_drifts(connection, MEAN_DIFFERENCE, layer=layer)
        best = dict(
            connection.execute(
                "SELECT trait, layer FROM best_layers WHERE method = ? AND prompt_set = ?",
                [MEAN_DIFFERENCE, prompt_set],
            ).fetchall()
        )
    readings: dict[str, Reading] = {}
    layers: dict[str, int | None] = {}
    for trait in traits:
        at = best.get(trait) if layer is None else layer
        projection, reason = _projection(summary, drifts, (MEAN_DIFFERENCE, trait, prompt_set), at)
        own = cases.get(trait, TraitCases((), (), np.zeros(0)))
        readings[trait] = Reading(
            trait,
            name,
            responder_names(summary),
            own.cases,
            own.texts,
            projection,
            own.behaviour,
            reason,
        )
        layers[trait] = None if projection is None else at
    return _Run(name, summary, cases, readings, layers)


def _projection(
    summary: RunSummary, drifts: dict[Key, Drifts], key: Key, layer: int | None
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
    settings: Settings, runs: Sequence[_Run], traits: Sequence[str], prompt_set: str
) -> list[tuple[Reading, int]]:
    """Named vectors of these runs as further sources of projections, with their layers."""
    by_id = {run.summary.record.run_id: run for run in runs}
    found = []
    for saved in saved_vectors(settings):
        run = by_id.get(saved.run_id)
        if run is None or saved.trait not in traits or saved.prompt_set != prompt_set:
            continue
        own = run.cases.get(saved.trait)
        if own is None:
            continue
        reading = Reading(
            saved.trait,
            f"{saved.name} (saved, {run.name})",
            responder_names(run.summary),
            own.cases,
            own.texts,
            saved_drift(settings, saved).drift,
            own.behaviour,
        )
        found.append((reading, saved.layer))
    return found


def _own(reading: Reading) -> Estimate:
    if reading.projection is None:
        return Estimate.undefined(0, reading.reason)
    mine = reading.own()
    return pearson(reading.projection[mine], reading.behaviour[mine])


def _judged_on(run: _Run) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                reading.cases[i][1]
                for reading in run.readings.values()
                for i in np.flatnonzero(reading.own())
            }
        )
    )

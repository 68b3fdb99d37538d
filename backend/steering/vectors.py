"""The vector that steers: any stored one of a run, one that was saved, or an imported one."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from backend.core.arrays import Floats, digest_of
from backend.errors import RunNotFound, SteeringError
from backend.runs.imported_vectors import best_layer, correlations, misfit, on_run
from backend.settings import Settings
from backend.steering.units import Units, units_of
from backend.store.imported_vector import ImportedVector, imported_paths, read_imported
from backend.store.run import Run, open_run
from backend.store.run_values import RunSummary
from backend.store.saved_vector import list_vectors, read_vector


@dataclass(frozen=True)
class VectorSource:
    """Which vector.

    Attributes:
        run_id: the run it is stored in; of an imported vector, a run of the model that is steered
            (empty: none, and then ``model`` says which); of a saved one its own.
        trait: of a stored vector.
        method: of a stored vector, by its key.
        prompt_set: of a stored vector; of an imported one, whose poles make the unit.
        layer: where; None for the layer with the highest r (the run's middle one where r is
            undefined).
        name: of a saved or imported vector; empty for a stored one.
        model: a model in place of the run's, by preset, Hub id[@revision], folder or .gguf file.
    """

    run_id: str = ""
    trait: str = ""
    method: str = "mean_difference"
    prompt_set: str = "default"
    layer: int | None = None
    name: str = ""
    model: str = ""


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A vector and what it is used on.

    Attributes:
        title: what it is, in words.
        trait: the trait it shows.
        layer: where it is used, numbered as in a run.
        vector: v, [d], float64, not normalised.
        model: reference of the model, as for an extraction.
        units: what strengths mean.
        weights_hash: of the run's model; None without a run, or with another model.
    """

    title: str
    trait: str
    layer: int
    vector: Floats
    model: str
    units: Units
    weights_hash: str | None

    @property
    def digest(self) -> str:
        """What tells v from any other vector."""
        return digest_of(self.vector)


def find_vector(settings: Settings, source: VectorSource) -> SteeringVector:
    """The vector of a choice.

    Args:
        settings: where the store is.
        source: which vector.

    Raises:
        SteeringError: there is no such vector, or no model to steer.
        RunNotFound, StoreError, UnreadableFile: the run or vector cannot be read.
    """
    if not source.name:
        with open_run(settings, source.run_id) as run:
            return _stored(run, source)
    imported = [path.stem for path in imported_paths(settings)]
    if source.name not in (*list_vectors(settings), *imported):
        raise SteeringError(
            f"No vector is called {source.name!r}.",
            expected=f"one of {', '.join((*list_vectors(settings), *imported)) or 'none yet'}.",
            remedy="save one in the Filter lab, or import one on the Methods page.",
        )
    if source.name in imported:
        vector = read_imported(settings, source.name)
        opened = open_run(settings, source.run_id) if source.run_id else nullcontext()
        with opened as run:
            return _imported(run, vector, source)
    saved = read_vector(settings, source.name)
    if source.layer not in (None, saved.layer):
        raise SteeringError(
            f"The vector {saved.name} is of layer {saved.layer}, not {source.layer}.",
            expected=f"layer {saved.layer}, or none.",
            remedy="leave the layer out.",
        )
    try:
        with open_run(settings, saved.run_id) as run:
            units = units_of(run, saved.trait, saved.prompt_set, saved.layer, saved.vector)
            model, weights = _model(run.summary(), source)
    except RunNotFound:
        if not source.model:
            raise
        units = units_of(None, saved.trait, saved.prompt_set, saved.layer, saved.vector)
        model, weights = source.model, None
    return SteeringVector(
        f"saved vector {saved.name}",
        saved.trait,
        saved.layer,
        saved.vector,
        model,
        units,
        weights,
    )


def _stored(run: Run, source: VectorSource) -> SteeringVector:
    summary = run.summary()
    for kind, wanted, known in (
        ("trait", source.trait, summary.traits),
        ("method", source.method, run.methods()),
        ("prompt set", source.prompt_set, summary.prompt_sets),
    ):
        if wanted not in known:
            raise SteeringError(
                f"Run {summary.run_id} has no {kind} {wanted!r}.",
                expected=f"one of {', '.join(known)}.",
                remedy=f"choose a {kind} of the run.",
            )
    best = {row.trait: row.layer for row in run.best_layers(source.method, source.prompt_set)}.get(
        source.trait
    )
    layer = next(one for one in (source.layer, best, summary.middle_layer) if one is not None)
    found = run.vectors(source.prompt_set, [(source.trait, source.method, layer)])
    if not found:
        raise SteeringError(
            f"Run {summary.run_id} has no {source.method} vector of {source.trait} at layer "
            f"{layer}.",
            expected=f"a layer of {', '.join(map(str, summary.record.layers))} that has one.",
            remedy="choose another layer or method.",
        )
    values = found[0].values
    model, weights = _model(summary, source)
    return SteeringVector(
        f"{source.method} of {source.trait}",
        source.trait,
        layer,
        values,
        model,
        units_of(run, source.trait, source.prompt_set, layer, values),
        weights,
    )


def _imported(run: Run | None, vector: ImportedVector, source: VectorSource) -> SteeringVector:
    layer = source.layer
    if layer is None and run is not None:
        layer = best_layer(correlations(on_run(run, vector)))
    if layer is None:
        layer = vector.layers[len(vector.layers) // 2]
    # Without a run, the model itself is compared with the vector's width when it is loaded.
    record = None if run is None else run.record
    depth = vector.depth or max(vector.layers) if record is None else record.depth
    why = misfit(vector, layer, depth, vector.width if record is None else record.width)
    if why is not None:
        raise SteeringError(
            f"The vector {vector.name} cannot be used at layer {layer}: {why}.",
            expected=f"a layer of {', '.join(map(str, vector.layers))}, on its own model.",
            remedy="choose another layer or run.",
        )
    if run is None and not source.model:
        raise SteeringError(
            f"The vector {vector.name} was imported, and no model is named.",
            expected="a run of its model, or the model.",
            remedy="name a run (--run) or a model (--model).",
        )
    values = vector.vectors[vector.layers.index(layer)]
    model, weights = (source.model, None) if run is None else _model(run.summary(), source)
    return SteeringVector(
        f"{vector.name}, {vector.source}",
        vector.trait,
        layer,
        values,
        model,
        units_of(run, vector.trait, source.prompt_set, layer, values),
        weights,
    )


def _model(summary: RunSummary, source: VectorSource) -> tuple[str, str | None]:
    """Reference of the model, and the hash of its weights where it is the run's."""
    if source.model:
        return source.model, None
    if not summary.has_model:
        raise SteeringError(
            f"The activations of run {summary.run_id} were simulated or taken elsewhere: there is "
            "no model to steer.",
            expected="a run that was extracted from a model here, or the name of the model.",
            remedy="choose such a run, or name the model (--model).",
        )
    return summary.record.model, summary.record.weights_hash

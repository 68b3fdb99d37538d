"""Vectors of a run, chosen for export, with everything a user needs to know to use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.core.estimate import Estimate
from backend.core.vectors.methods import METHODS
from backend.core.vectors.pipeline import Pipeline
from backend.errors import ExportError
from backend.runs.saved_vectors import saved_vectors
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.run import Run
from backend.store.run_values import RunSummary, StoredVector

BEST: Literal["best"] = "best"
Layers = tuple[int, ...] | Literal["best"]


@dataclass(frozen=True)
class Choice:
    """Which vectors of a run to take.

    Attributes:
        traits: names; empty for all.
        methods: keys of vector methods; empty for all.
        prompt_set: which prompts the vectors are built from.
        layers: layers; empty for all; ``best`` for the one of each trait and method with the
            highest r.
    """

    traits: tuple[str, ...]
    methods: tuple[str, ...]
    prompt_set: str = "default"
    layers: Layers = BEST


@dataclass(frozen=True)
class Vector:
    """One vector, ready to be written.

    Attributes:
        trait: the trait it shows.
        method: key of the method that built it; of a named vector ``saved.`` and its name.
        title: the method's name on screen.
        pipeline: choices by which it was built from prompts; None for probes.
        fitted: whether it was fitted on scored responses, so that r comes from held-out ones.
        layer: at the output of which decoder block, counted from 1; 0 is the embedding.
        values: [d] float32, rounded from the stored float64.
        norm: ||v|| of the stored vector, activation units.
        correlation: r of its projections with behaviour.
    """

    trait: str
    method: str
    title: str
    pipeline: Pipeline | None
    fitted: bool
    layer: int
    values: NDArray[np.float32]
    norm: float
    correlation: Estimate


@dataclass(frozen=True)
class VectorSet:
    """Chosen vectors of one run.

    Attributes:
        run: the run they come from.
        prompt_set: which prompts they are built from.
        vectors: by trait in the study's order, method and layer.
        missing: a sentence for each chosen trait and method without a vector at some layer.
    """

    run: RunSummary
    prompt_set: str
    vectors: tuple[Vector, ...]
    missing: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether the activations were simulated, so that there is no model to steer."""
        return self.run.simulated


def read_vectors(run: Run, choice: Choice) -> VectorSet:
    """Read the chosen vectors.

    Args:
        run: an open run.
        choice: which of its vectors.

    Raises:
        ExportError: the run has no such trait, method, prompt set or layer, or not one vector is
            left.
    """
    summary, known = run.summary(), run.methods()
    _check("trait", choice.traits, summary.traits)
    _check("method", choice.methods, known)
    _check("prompt set", (choice.prompt_set,), summary.prompt_sets)
    if isinstance(choice.layers, tuple):
        _check("layer", choice.layers, summary.record.layers)
    traits, methods = choice.traits or summary.traits, choice.methods or known
    wanted = _cells(run, choice, traits, methods)
    found = tuple(
        _vector(stored, run.label_range) for stored in run.vectors(choice.prompt_set, wanted)
    )
    missing = _missing(wanted, found)
    if not found:
        raise ExportError(
            f"Run {summary.run_id} has no vector of this choice. {' '.join(missing)}",
            expected="at least one trait, method and layer with a vector.",
            remedy="choose another method or layer.",
        )
    return VectorSet(summary, choice.prompt_set, found, missing)


def read_saved(settings: Settings, name: str) -> VectorSet:
    """The named vector a user saved in the Filter lab, with the run it comes from.

    Raises:
        ExportError: no vector has this name.
        RunNotFound, UnreadableFile: its run cannot be read.
    """
    known = {saved.name: saved for saved in saved_vectors(settings)}
    if name not in known:
        raise ExportError(
            f"No saved vector is called {name!r}.",
            expected=f"one of {', '.join(known) or 'none yet'}.",
            remedy="save one in the Filter lab first.",
        )
    saved = known[name]
    vector = Vector(
        trait=saved.trait,
        method=f"saved.{name}",
        title=name,
        pipeline=saved.pipeline,
        fitted=False,
        layer=saved.layer,
        values=saved.vector.astype(np.float32),
        norm=float(np.linalg.norm(saved.vector)),
        correlation=saved.correlation,
    )
    return VectorSet(run_summary(settings, saved.run_id), saved.prompt_set, (vector,), ())


def method_titles(run: Run) -> dict[str, str]:
    """Method -> name on screen, for the methods a run has vectors of, in the registry's order."""
    there = run.methods_with_vectors()
    return {
        method.name: method.title_on(run.label_range) for method in METHODS if method.name in there
    }


_Place = tuple[str, str, int]


def _cells(run: Run, choice: Choice, traits: Sequence[str], methods: Sequence[str]) -> list[_Place]:
    if isinstance(choice.layers, tuple):
        layers = choice.layers or run.record.layers
        return [(t, method, layer) for t in traits for method in methods for layer in layers]
    best = {(row.trait, row.method): row.layer for row in run.best_layers(None, choice.prompt_set)}
    # Where r is undefined at every layer there is no best one; the middle one takes its place.
    middle = run.summary().middle_layer
    places = []
    for trait in traits:
        for method in methods:
            layer = best.get((trait, method))
            places.append((trait, method, middle if layer is None else layer))
    return places


def _vector(stored: StoredVector, label_range: tuple[float, float]) -> Vector:
    # A run may hold a method that is registered no longer.
    method = next((known for known in METHODS if known.name == stored.method), None)
    return Vector(
        trait=stored.trait,
        method=stored.method,
        title=stored.method if method is None else method.title_on(label_range),
        pipeline=None if method is None else method.pipeline,
        fitted=method is not None and method.fitted,
        layer=stored.layer,
        values=stored.values.astype(np.float32),
        norm=float(np.linalg.norm(stored.values)),
        correlation=stored.correlation,
    )


def _missing(wanted: Sequence[_Place], found: Sequence[Vector]) -> tuple[str, ...]:
    there = {(vector.trait, vector.method, vector.layer) for vector in found}
    gaps: dict[tuple[str, str], list[str]] = {}
    for trait, method, layer in wanted:
        if (trait, method, layer) not in there:
            gaps.setdefault((trait, method), []).append(str(layer))
    return tuple(
        f"{trait} has no {method} vector at layer {', '.join(layers)}."
        for (trait, method), layers in gaps.items()
    )


def _check(kind: str, wanted: Sequence[object], known: Sequence[object]) -> None:
    unknown = [str(name) for name in wanted if name not in known]
    if unknown:
        raise ExportError(
            f"The run has no {kind} {', '.join(unknown)}.",
            expected=f"one of {', '.join(str(name) for name in known)}.",
            remedy=f"choose a {kind} of the run.",
        )

"""Vectors of a run, chosen for export, with everything a user needs to know to use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.core.vectors.methods import METHODS_BY_NAME
from backend.core.vectors.pipeline import Pipeline
from backend.errors import ExportError
from backend.runs.saved_vectors import saved_vectors
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.connection import Connection, matrix_of
from backend.store.run_record import SIMULATED
from backend.store.run_values import RunSummary

BEST: Literal["best"] = "best"
Layers = tuple[int, ...] | Literal["best"]


@dataclass(frozen=True)
class Choice:
    """Which vectors of a run to take.

    Attributes:
        run_id: a published run.
        traits: names; empty for all.
        methods: keys of vector methods; empty for all.
        prompt_set: which prompts the vectors are built from.
        layers: layers; empty for all; ``best`` for the one of each trait and method with the
            highest r.
    """

    run_id: str
    traits: tuple[str, ...]
    methods: tuple[str, ...]
    prompt_set: str = "default"
    layers: Layers = BEST


@dataclass(frozen=True)
class Vector:
    """One vector of a run.

    Attributes:
        trait: the trait it stands for.
        method: key of the method that built it; of a named vector ``saved.`` and its name.
        title: the method's name on screen.
        pipeline: choices by which it was built from prompts; None for probes.
        fitted: whether it was fitted on scored responses, so that r comes from held-out ones.
        layer: at the output of which decoder block, counted from 1; 0 is the embedding.
        values: [d] float32, rounded from the stored float64.
        norm: ||v|| of the stored vector, activation units.
        r: r of its projections with behaviour; None where undefined.
        low: lower end of Fisher's 95% interval.
        high: upper end.
        n: cases behind r.
        reason: why r is undefined; None where it is defined.
    """

    trait: str
    method: str
    title: str
    pipeline: Pipeline | None
    fitted: bool
    layer: int
    values: NDArray[np.float32]
    norm: float
    r: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None


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
        return self.run.record.model_source == SIMULATED


def read_vectors(settings: Settings, choice: Choice) -> VectorSet:
    """Read the chosen vectors.

    Raises:
        ExportError: the run has no such trait, method, prompt set or layer, or not one vector is
            left.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    run = run_summary(settings, choice.run_id)
    with reading_run(settings, choice.run_id) as connection:
        known = [
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT method FROM correlations ORDER BY 1"
            ).fetchall()
        ]
        _check("trait", choice.traits, run.traits)
        _check("method", choice.methods, known)
        _check("prompt set", (choice.prompt_set,), run.prompt_sets)
        if isinstance(choice.layers, tuple):
            _check("layer", choice.layers, run.record.layers)
        traits, methods = choice.traits or run.traits, choice.methods or tuple(known)
        wanted = _cells(connection, choice, traits, methods, run.record.layers)
        found = _read(connection, choice.prompt_set, wanted)
    missing = _missing(wanted, found)
    if not found:
        raise ExportError(
            f"Run {choice.run_id} has no vector of this choice. {' '.join(missing)}",
            expected="at least one trait, method and layer with a vector.",
            remedy="choose another method or layer.",
        )
    return VectorSet(run, choice.prompt_set, found, missing)


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
    c = saved.correlation
    vector = Vector(
        trait=saved.trait,
        method=f"saved.{name}",
        title=name,
        pipeline=saved.pipeline,
        fitted=False,
        layer=saved.layer,
        values=saved.vector.astype(np.float32),
        norm=float(np.linalg.norm(saved.vector)),
        r=c.r,
        low=c.low,
        high=c.high,
        n=c.n,
        reason=c.reason,
    )
    return VectorSet(run_summary(settings, saved.run_id), saved.prompt_set, (vector,), ())


def method_titles(settings: Settings, run_id: str) -> dict[str, str]:
    """Method -> name on screen, for the methods a run has vectors of, in the registry's order.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        rows = connection.execute("SELECT DISTINCT method FROM vectors").fetchall()
    there = {method for (method,) in rows}
    return {name: method.title for name, method in METHODS_BY_NAME.items() if name in there}


_Cell = tuple[str, str, int]


def _cells(
    connection: Connection,
    choice: Choice,
    traits: Sequence[str],
    methods: Sequence[str],
    all_layers: Sequence[int],
) -> list[_Cell]:
    if isinstance(choice.layers, tuple):
        layers = choice.layers or tuple(all_layers)
        return [
            (trait, method, layer) for trait in traits for method in methods for layer in layers
        ]
    rows = connection.execute(
        "SELECT trait, method, layer FROM best_layers WHERE prompt_set = ? AND layer IS NOT NULL",
        [choice.prompt_set],
    ).fetchall()
    best = {(trait, method): layer for trait, method, layer in rows}
    # Where r is undefined at every layer there is no best one; the middle one stands in.
    middle = all_layers[len(all_layers) // 2]
    return [
        (trait, method, best.get((trait, method), middle)) for trait in traits for method in methods
    ]


def _read(connection: Connection, prompt_set: str, wanted: Sequence[_Cell]) -> tuple[Vector, ...]:
    # Lists unnested side by side are a table of the wanted cells, in order.
    source = (
        " FROM (SELECT unnest(?::VARCHAR[]) AS t, unnest(?::VARCHAR[]) AS m,"
        " unnest(?::INTEGER[]) AS l, unnest(?::INTEGER[]) AS place) w"
        " JOIN vectors v ON v.trait = w.t AND v.method = w.m AND v.layer = w.l"
        " AND v.prompt_set = ?"
    )
    columns = [[cell[part] for cell in wanted] for part in range(3)]
    parameters: list[object] = [*columns, list(range(len(wanted))), prompt_set]
    matrix = matrix_of(connection, "SELECT v.vector" + source + " ORDER BY w.place", parameters)
    rows = connection.execute(
        "SELECT v.trait, v.method, v.layer, c.r, c.low, c.high, coalesce(c.n, 0), c.reason"
        + source
        + " LEFT JOIN correlations c ON c.trait = v.trait AND c.method = v.method"
        " AND c.layer = v.layer AND c.prompt_set = v.prompt_set ORDER BY w.place",
        parameters,
    ).fetchall()
    return tuple(
        Vector(
            trait=trait,
            method=method,
            title=METHODS_BY_NAME[method].title,
            pipeline=METHODS_BY_NAME[method].pipeline,
            fitted=METHODS_BY_NAME[method].fitted,
            layer=layer,
            values=values.astype(np.float32),
            norm=float(np.linalg.norm(values)),
            r=r,
            low=low,
            high=high,
            n=n,
            reason=reason,
        )
        for (trait, method, layer, r, low, high, n, reason), values in zip(
            rows, matrix, strict=True
        )
    )


def _missing(wanted: Sequence[_Cell], found: Sequence[Vector]) -> tuple[str, ...]:
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

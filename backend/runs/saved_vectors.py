"""Vectors that users name in the Filter lab."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.core.geometry.prompt_space import Floats
from backend.core.moments import correlation_of_weights
from backend.core.vectors.build import build
from backend.core.vectors.cell_stack import stack
from backend.core.vectors.inner_product import (
    IDENTITY,
    LDA,
    Metric,
    WithinClass,
    direction,
    layer_metrics,
    pole_groups,
    within_class,
)
from backend.core.vectors.pipeline import Pipeline
from backend.core.vectors.responses import response_space
from backend.errors import StoreError, UnreadableFile, VectorError
from backend.settings import Settings
from backend.store.connection import Connection, matrix_of, read_activations
from backend.store.run_files import read_record, reading_run
from backend.store.saved_vector import (
    SavedVector,
    check_name,
    list_vectors,
    publish_vector,
    read_vector,
)
from backend.views.filter_lab.cells import no_metric, read_cells

__all__ = [
    "SavedDrift",
    "SavedList",
    "SavedVector",
    "save_vector",
    "saved_drift",
    "saved_list",
    "saved_vectors",
]

CHUNK = 2048


@dataclass(frozen=True)
class SavedList:
    """Named vectors.

    Attributes:
        vectors: readable ones, oldest first.
        broken: file name -> why it cannot be read.
    """

    vectors: tuple[SavedVector, ...]
    broken: dict[str, str]


@dataclass(frozen=True, eq=False)
class SavedDrift:
    """What r of a named vector is taken over, by case.

    Attributes:
        drift: drift (or level) of the projections, [cases].
        behaviour: drift (or level) of the scores, [cases].
        scenarios: scenario of each case as 0..k-1, [cases].
    """

    drift: Floats
    behaviour: Floats
    scenarios: np.ndarray


def save_vector(
    settings: Settings,
    name: str,
    run_id: str,
    trait: str,
    prompt_set: str,
    layer: int,
    pipeline: Pipeline,
) -> SavedVector:
    """Build a vector from a run's stored activations and keep it under a name.

    Args:
        settings: where the store is.
        name: small letters, digits and dashes; not taken.
        run_id: a published run.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
        pipeline: how the vector is built.

    Raises:
        StoreError: the name cannot be used or is taken, or the run has no such cell.
        VectorError: the pipeline makes no vector here; it says why.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    check_name(settings, name)
    with reading_run(settings, run_id) as connection:
        plain = read_cells(connection, IDENTITY, trait, prompt_set, layer)
        if not plain:
            raise StoreError(
                f"Run {run_id} has no prompts of {trait!r}, set {prompt_set!r}, at layer {layer}.",
                expected="a trait, prompt set and layer of the run.",
                remedy="choose them in the sidebar again.",
            )
        cells = read_cells(connection, pipeline.metric, trait, prompt_set, layer)
        if not cells:
            raise _refused(no_metric(pipeline.metric, layer))
        cell = cells[0]
        width = read_record(connection, run_id).width
        built = build(pipeline, stack([cell.gram], [cell.high], [cell.moments], width))
        if 0 in built.refusals:
            raise _refused(built.refusals[0])
        vector = _direction(
            connection, pipeline.metric, trait, layer, cell.prompt_ids, built.weights[0], width
        )
        length = float(np.linalg.norm(vector))
        if length <= 0:
            raise _refused("the vector is zero")
        unit = vector / length
        parts = [part @ unit for part in _responses(connection, layer)]
    saved = SavedVector(
        name=name,
        run_id=run_id,
        trait=trait,
        prompt_set=prompt_set,
        layer=layer,
        pipeline=pipeline,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        prompt_ids=tuple(
            number for number, kept in zip(cell.prompt_ids, built.kept[0], strict=True) if kept
        ),
        correlation=correlation_of_weights(built.weights[0], cell.moments),
        vector=vector,
        projections=np.concatenate([np.zeros(0), *parts]),
    )
    publish_vector(settings, saved)
    return saved


def saved_list(settings: Settings) -> SavedList:
    """All named vectors; a file that cannot be read is listed with its reason, not raised."""
    vectors, broken = [], {}
    for name in list_vectors(settings):
        try:
            vectors.append(read_vector(settings, name))
        except UnreadableFile as fault:
            broken[f"{name}.duckdb"] = f"{fault.what} {fault.remedy}"
    return SavedList(tuple(vectors), broken)


def saved_vectors(settings: Settings) -> tuple[SavedVector, ...]:
    """The named vectors that can be read, oldest first; see :func:`saved_list` for the others."""
    return saved_list(settings).vectors


def saved_drift(settings: Settings, saved: SavedVector) -> SavedDrift:
    """The cases of a named vector's run with their drifts, in order of case id.

    Raises:
        RunNotFound, UnreadableFile: its run cannot be read.
    """
    with reading_run(settings, saved.run_id) as connection:
        rows = connection.execute(
            "SELECT scenario, first_response, last_response, value FROM behaviours"
            " WHERE trait = ? ORDER BY case_id",
            [saved.trait],
        ).fetchall()
    projections = saved.projections
    drift = [
        projections[last] - (0.0 if first is None else projections[first])
        for _, first, last, _ in rows
    ]
    _, scenarios = np.unique([row[0] for row in rows], return_inverse=True)
    return SavedDrift(np.array(drift), np.array([row[3] for row in rows]), scenarios)


def _direction(
    connection: Connection,
    metric: str,
    trait: str,
    layer: int,
    prompt_ids: tuple[int, ...],
    weights: Floats,
    width: int,
) -> Floats:
    """v = M P'w; M is rebuilt from the run's activations as the worker built it."""
    count = connection.execute("SELECT count(*) FROM prompts").fetchall()[0][0]
    every = read_activations(connection, "prompt", layer, 0, count).astype(np.float64)
    sets = connection.execute(
        "SELECT prompt_id, prompt_set, pole = 'high' FROM prompts WHERE trait = ?"
        " ORDER BY prompt_id",
        [trait],
    ).fetchall()
    ids = np.array([row[0] for row in sets])
    spread = np.zeros(len(ids))
    spread[np.isin(ids, prompt_ids)] = weights
    within: WithinClass | None = None
    metrics: tuple[Metric, ...] = ()
    if metric == LDA:
        names = np.array([row[1] for row in sets])
        high = np.array([row[2] for row in sets])
        groups = [(np.flatnonzero(names == name), high[names == name]) for name in np.unique(names)]
        gram = matrix_of(
            connection,
            "SELECT products FROM gram WHERE metric = ? AND trait = ? AND layer = ?"
            " ORDER BY prompt_id",
            [IDENTITY, trait, layer],
        ).astype(np.float64)
        within = within_class(gram, pole_groups(groups, len(ids)), width)
    elif metric == IDENTITY:
        plain: Floats = every[ids].T @ spread
        return plain
    else:
        number = connection.execute("SELECT count(*) FROM responses").fetchall()[0][0]
        space = response_space(lambda: _responses(connection, layer), number, width)
        metrics = layer_metrics(space, every)
    return direction(metric, metrics, within, every[ids], spread)


def _responses(connection: Connection, layer: int) -> Iterator[Floats]:
    """The responses' activations at a layer in chunks, by id."""
    count = connection.execute("SELECT count(*) FROM responses").fetchall()[0][0]
    for start in range(0, count, CHUNK):
        part = read_activations(connection, "response", layer, start, min(start + CHUNK, count))
        yield part.astype(np.float64)


def _refused(why: str) -> VectorError:
    return VectorError(
        f"There is no vector to save: {why}.",
        expected="choices that make a vector at this layer.",
        remedy="move the threshold or change the choices in the Filter lab.",
    )

"""Vectors that users name in the Filter lab: built from a run, kept in files of their own."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.moments import correlation_of_weights
from backend.core.vectors.build import build
from backend.core.vectors.inner_product import (
    IDENTITY,
    LDA,
    InnerProduct,
    WithinClass,
    direction,
    layer_inner_products,
    missing_inner_product,
    pole_groups,
    within_class,
)
from backend.core.vectors.pipeline import Pipeline
from backend.core.vectors.responses import response_space
from backend.errors import StoreError, VectorError
from backend.settings import Settings
from backend.store.catalog import readable
from backend.store.run import Run, open_run
from backend.store.saved_vector import (
    SavedVector,
    check_name,
    list_vectors,
    publish_vector,
    read_vector,
)


@dataclass(frozen=True)
class SavedList:
    """Named vectors.

    Attributes:
        vectors: readable ones, oldest first.
        broken: file name -> why it cannot be read.
    """

    vectors: tuple[SavedVector, ...]
    broken: dict[str, str]


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
    with open_run(settings, run_id) as run:
        if not run.cell_products(IDENTITY, trait, prompt_set, layer):
            raise StoreError(
                f"Run {run_id} has no prompts of {trait!r}, set {prompt_set!r}, at layer {layer}.",
                expected="a trait, prompt set and layer of the run.",
                remedy="choose them in the sidebar again.",
            )
        cells = run.cell_products(pipeline.metric, trait, prompt_set, layer)
        if not cells:
            raise _refused(missing_inner_product(pipeline.metric, layer))
        cell, width = cells[0], run.record.width
        built = build(pipeline, cell.stacked(width))
        if 0 in built.refusals:
            raise _refused(built.refusals[0])
        vector = direction_of(
            run, pipeline.metric, trait, layer, cell.prompt_ids, built.weights[0], width
        )
        length = float(np.linalg.norm(vector))
        if length <= 0:
            raise _refused("the vector is zero")
        unit = vector / length
        parts = [part @ unit for part in run.response_chunks(layer)]
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
    names = list_vectors(settings)
    return SavedList(*readable(settings.vectors, names, lambda name: read_vector(settings, name)))


def saved_vectors(settings: Settings) -> tuple[SavedVector, ...]:
    """The named vectors that can be read, oldest first; see :func:`saved_list` for the others."""
    return saved_list(settings).vectors


def saved_cases(run: Run, saved: SavedVector) -> Cases:
    """The cases of a named vector: drifts of its projections with the behaviour, by case id.

    Args:
        run: the run it was built from.
        saved: the vector.
    """
    cases = run.scored_cases(saved.trait)
    return cases.cases(cases.drift_of(saved.projections))


def direction_of(
    run: Run,
    metric: str,
    trait: str,
    layer: int,
    prompt_ids: tuple[int, ...],
    weights: Floats,
    width: int,
) -> Floats:
    """v = M P'w, [d]; M is rebuilt from the run's activations as it was when the run was derived.

    Args:
        run: an open run.
        metric: name of M, which the layer has.
        trait: one of its traits.
        layer: one of its layers.
        prompt_ids: the prompts that the weights are of.
        weights: w, by prompt, [n].
        width: d.
    """
    every = run.prompt_activations(layer)
    prompts = run.prompts(trait)
    ids = np.array([prompt.prompt_id for prompt in prompts])
    spread = np.zeros(len(ids))
    spread[np.isin(ids, prompt_ids)] = weights
    within: WithinClass | None = None
    inner_products: tuple[InnerProduct, ...] = ()
    if metric == LDA:
        names = np.array([prompt.prompt_set for prompt in prompts])
        high = np.array([prompt.pole == "high" for prompt in prompts])
        groups = [(np.flatnonzero(names == name), high[names == name]) for name in np.unique(names)]
        gram = run.trait_gram(trait, layer)
        within = within_class(gram, pole_groups(groups, len(ids)), width)
    elif metric == IDENTITY:
        plain: Floats = every[ids].T @ spread
        return plain
    else:
        _, count = run.text_counts
        space = response_space(lambda: run.response_chunks(layer), count, width)
        inner_products = layer_inner_products(space, every)
    return direction(metric, inner_products, within, every[ids], spread)


def _refused(why: str) -> VectorError:
    return VectorError(
        f"There is no vector to save: {why}.",
        expected="choices that make a vector at this layer.",
        remedy="move the threshold or change the choices in the Filter lab.",
    )

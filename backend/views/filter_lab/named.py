"""A saved or imported vector beside the lab's own: its r at the cell, and where it points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_predictors
from backend.core.vectors.build import build
from backend.core.vectors.inner_product import missing_inner_product
from backend.core.vectors.pipeline import Pipeline
from backend.runs.imported_vectors import NO_RESPONSES, NamedVector, misfit_on_run, on_run
from backend.runs.saved_vectors import direction_of, saved_cases
from backend.store.run import Run
from backend.store.saved_vector import SavedVector
from backend.views.filter_lab.axis import effective, one_cell
from backend.views.methods.compute import saved_row_name


@dataclass(frozen=True)
class Beside:
    """A named vector beside the lab's at one cell.

    Attributes:
        name: of the vector.
        r: its own at the cell's layer, BCa bootstrap over scenarios.
        difference: r of the lab's vector minus this one; both share the scores.
        cosine: between the two, in [-1, 1]; None where undefined.
        no_cosine: why there is none.
    """

    name: str
    r: Estimate
    difference: Estimate
    cosine: float | None
    no_cosine: str | None


def named_choices(
    runs: Sequence[Run], vectors: Sequence[NamedVector], trait: str
) -> dict[str, str]:
    """Key -> title of the named vectors that can stand beside a trait of a run: those that were
    saved from this run, and imported ones.

    Args:
        runs: one open run.
        vectors: all named vectors.
        trait: one of its traits.
    """
    (run,) = runs
    return {
        saved_row_name(vector): f"{vector.name} (saved, layer {vector.layer})"
        if isinstance(vector, SavedVector)
        else f"{vector.name} (imported)"
        for vector in vectors
        if vector.trait == trait
        and (not isinstance(vector, SavedVector) or vector.run_id == run.record.run_id)
    }


def named_r(
    runs: Sequence[Run], vectors: Sequence[NamedVector], key: str, layer: int
) -> tuple[str, Estimate]:
    """A named vector's name and its r at one layer of a run, with Fisher's interval.

    Args:
        runs: one open run.
        vectors: all named vectors.
        key: from :func:`named_choices`.
        layer: one of the run's layers.
    """
    (run,) = runs
    vector = _chosen(vectors, key)
    why = _unfit(run, vector, layer)
    if why is None:
        cases = _cases(run, vector, layer)
        why = None if len(cases) else NO_RESPONSES
    return vector.name, Estimate.undefined(0, why) if why is not None else pearson(cases)


def beside(
    runs: Sequence[Run],
    vectors: Sequence[NamedVector],
    key: str,
    place: tuple[str, str, int],
    pipeline: Pipeline,
) -> Beside:
    """A named vector beside the one that the lab's settings make.

    Args:
        runs: one open run.
        vectors: all named vectors.
        key: from :func:`named_choices`.
        place: trait, prompt set and layer of the cell.
        pipeline: the setting.
    """
    (run,) = runs
    trait, prompt_set, layer = place
    vector = _chosen(vectors, key)
    why = _unfit(run, vector, layer)
    if why is not None:
        none = Estimate.undefined(0, why)
        return Beside(vector.name, none, none, None, why)
    cases = _cases(run, vector, layer)
    r = bootstrap_r(cases) if len(cases) else Estimate.undefined(0, NO_RESPONSES)
    metric = effective(pipeline).metric
    cell = one_cell(run, metric, trait, prompt_set, layer)
    refused = missing_inner_product(metric, layer) if cell is None else None
    if cell is not None:
        built = build(effective(pipeline), cell)
        refused = built.refusals.get(0)
    if cell is None or refused is not None:
        none = Estimate.undefined(len(cases), refused or "")
        return Beside(vector.name, r, none, None, refused)
    weights = built.weights[0]
    own = run.product_cases(metric, trait, prompt_set, layer)
    difference = Estimate.undefined(0, NO_RESPONSES)
    if len(cases):
        now = own.cases.cases(own.drifts @ weights)
        difference = compare_predictors(now, cases.x).difference
    ids = run.cell_products(metric, trait, prompt_set, layer)[0].prompt_ids
    mine = direction_of(run, metric, trait, layer, ids, weights, run.record.width)
    lengths = float(np.linalg.norm(mine)) * float(np.linalg.norm(_vector(vector, layer)))
    if lengths <= 0:
        return Beside(vector.name, r, difference, None, "one of the vectors is zero")
    cosine = float(np.clip(mine @ _vector(vector, layer) / lengths, -1.0, 1.0))
    return Beside(vector.name, r, difference, cosine, None)


def _chosen(vectors: Sequence[NamedVector], key: str) -> NamedVector:
    return next(vector for vector in vectors if saved_row_name(vector) == key)


def _unfit(run: Run, vector: NamedVector, layer: int) -> str | None:
    """Why a named vector does not belong to a layer of a run; None if it does."""
    if not isinstance(vector, SavedVector):
        return misfit_on_run(run, vector, layer)
    return None if vector.layer == layer else f"it is a vector of layer {vector.layer}"


def _cases(run: Run, vector: NamedVector, layer: int) -> Cases:
    """Its cases at a layer that it fits; none where the run has no scored responses."""
    if isinstance(vector, SavedVector):
        return saved_cases(run, vector)
    found = on_run(run, vector, layer).cases.get(layer)
    return run.scored_cases(vector.trait).cases(np.zeros(0)) if found is None else found


def _vector(vector: NamedVector, layer: int) -> Floats:
    if isinstance(vector, SavedVector):
        return vector.vector
    found: Floats = vector.vectors[vector.layers.index(layer)]
    return found

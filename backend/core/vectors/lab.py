"""The lab's algebra: every cell of a study under a pipeline, at once.

With G, S and b stored per cell, neither the width d nor the number of responses N matters:
r = w'b / sqrt(w'Sw y'y).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats
from backend.core.metrics.registry import live_metrics
from backend.core.prompt_cells import PromptCells
from backend.core.vectors.build import Built, build, build_along
from backend.core.vectors.cell_stack import CellStack
from backend.core.vectors.pipeline import Pipeline

# Beyond so many prompts a geometric median or principal components of every threshold would take
# minutes: they are computed at so many thresholds then.
MANY, COSTLY_STEPS = 200, 16


@dataclass(frozen=True)
class LabResult:
    """Every cell of a study under one pipeline; cells in the order of the stack.

    Attributes:
        r: [C], NaN where undefined.
        low: lower end of Fisher's 95% interval, [C]; it knows nothing of any choice made by r.
            Of dependent cases it is as wide as for the mean difference of the cell.
        high: upper end.
        weights: w with v = P'w, [C, n].
        kept: which prompts pass the filter, [C, n].
        cosines: each prompt's cosine to the filter's reference, [C, n]; NaN without a filter.
        metrics: metric name -> [C], NaN where undefined.
        refusals: cell -> why it has no vector.
    """

    r: Floats
    low: Floats
    high: Floats
    weights: Floats
    kept: Bools
    cosines: Floats
    metrics: dict[str, Floats]
    refusals: dict[int, str]


def evaluate(
    pipeline: Pipeline, cells: CellStack, measured: NDArray[np.intp] | None = None
) -> LabResult:
    """Metrics, kept prompts and r of every cell under a pipeline.

    Args:
        pipeline: the choices.
        cells: G, S and b under the pipeline's metric.
        measured: positions of the cells whose metrics are wanted, those of the others being NaN;
            None for all.
    """
    built = build(pipeline, cells)
    r = correlations(built.weights, cells)
    ends = fisher_band(r, cells.z_half)
    high, low = built.kept & cells.high, built.kept & cells.low
    rows = PromptCells(built.gram, high, low, built.row_weights, cells.width, pairs=cells.pairs)
    if measured is None:
        metrics = live_metrics(rows)
    else:
        found = live_metrics(rows.take(measured))
        metrics = {name: np.full(len(cells), np.nan) for name in found}
        for name, values in found.items():
            metrics[name][measured] = values
    refused = list(built.refusals)
    for values in metrics.values():
        values[refused] = np.nan
    return LabResult(r, *ends, built.weights, built.kept, built.cosines, metrics, built.refusals)


def correlations(weights: Floats, cells: CellStack) -> Floats:
    """r of every cell for given weights, [C]; NaN where undefined.

    Args:
        weights: [C, n].
        cells: S, b, y'y and counts.
    """
    x_square = np.einsum("ci,ci->c", (cells.s @ weights[..., None])[..., 0], weights)
    return _r(x_square, np.einsum("ci,ci->c", weights, cells.b), weights, cells)


def correlations_of_one(weights: Floats, cell: CellStack) -> Floats:
    """r of many vectors of one cell, [T]; NaN where undefined.

    Args:
        weights: [T, n].
        cell: a stack of one cell.
    """
    x_square = np.einsum("ti,ti->t", weights @ cell.s[0], weights)
    return _r(x_square, weights @ cell.b[0], weights, cell)


def _r(x_square: Floats, product: Floats, weights: Floats, cells: CellStack) -> Floats:
    # The same floor as backend.core.moments: projections that do not vary leave rounding.
    floor = 1e-24 * cells.rounding * np.square(np.abs(weights).sum(axis=1))
    defined = (x_square > floor) & (cells.y_square > 0) & (cells.count >= 3)
    scale = np.sqrt(np.where(defined, x_square * cells.y_square, 1.0))
    found: Floats = np.where(defined, np.clip(product / scale, -1.0, 1.0), np.nan)
    return found


@dataclass(frozen=True)
class Steps:
    """One cell along the threshold axis: between two prompts' cosines nothing changes.

    Attributes:
        thresholds: the distinct cosines of its prompts, ascending, [T]. Step i holds for
            thresholds above the one before and up to this one.
        weights: w of each step, [T, n]; zero where refused.
        r: [T], NaN where refused or undefined.
        low: lower end of Fisher's 95% interval, [T].
        high: upper end.
        kept: kept prompts of the high and of the low pole, [T, 2].
        refusals: why each has no vector, [T]; None where it has one.
        of: how many distinct cosines there are: more than T where only some were computed, evenly
            by rank, as each takes seconds.
    """

    thresholds: Floats
    weights: Floats
    r: Floats
    low: Floats
    high: Floats
    kept: NDArray[np.intp]
    refusals: tuple[str | None, ...]
    of: int


def threshold_steps(pipeline: Pipeline, cell: CellStack) -> Steps:
    """Every vector that some threshold makes of one cell.

    Above the last step no prompt is left.

    Args:
        pipeline: the choices, with a filter; its threshold is replaced.
        cell: a stack of one cell under the pipeline's metric.
    """
    plain = Pipeline(
        row_scaling=pipeline.row_scaling,
        filter_reference=pipeline.filter_reference,
        metric=pipeline.metric,
    )
    cosines = built_at(plain, cell, -1.0).cosines[0]
    every = np.unique(cosines[np.isfinite(cosines)])
    thresholds = every
    costly = pipeline.centre != "mean" or pipeline.denoise > 0
    if costly and len(every) > MANY:
        ranks = np.round(np.linspace(0, len(every) - 1, COSTLY_STEPS)).astype(np.intp)
        thresholds = every[ranks]
    built = build_along(pipeline, cell, thresholds)
    r = correlations_of_one(built.weights, cell)
    low, high = fisher_band(r, np.full(len(r), cell.z_half[0]))
    counts = [(built.kept & pole).sum(axis=1) for pole in (cell.high, cell.low)]
    kept = np.stack(counts, axis=1).astype(np.intp)
    return Steps(thresholds, built.weights, r, low, high, kept, built.refusals, len(every))


def built_at(pipeline: Pipeline, cells: CellStack, threshold: float) -> Built:
    """What a pipeline makes of the cells with another threshold."""
    return build(dataclasses.replace(pipeline, threshold=threshold), cells)


def fisher_band(r: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Ends of Fisher's 95% interval of many r; NaN where either argument is.

    Args:
        r: [C], NaN where undefined.
        half: half the width of the interval of Fisher's z, [C].
    """
    z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    return np.tanh(z - half), np.tanh(z + half)

"""The axis a filter's threshold moves on: its ends, and every vector along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.vectors.cell_stack import CellStack
from backend.core.vectors.lab import built_at
from backend.core.vectors.pipeline import Pipeline
from backend.store.run import Run

# A threshold that keeps every prompt.
KEEP_ALL = -1.0


@dataclass(frozen=True)
class CosineRange:
    """Cosines to the filter's reference.

    Attributes:
        values: of every cell's prompts in the order of the stack, [C, n]; NaN where absent.
        low: a threshold that keeps every prompt of every cell, on a grid of 0.01.
        high: one that drops every prompt of every cell.
    """

    values: Floats
    low: float
    high: float


def effective(pipeline: Pipeline) -> Pipeline:
    """The pipeline without a filter that keeps everything, so that it is called what it is."""
    if pipeline.filter_reference == "none" or pipeline.threshold <= KEEP_ALL:
        return Pipeline(
            row_scaling=pipeline.row_scaling,
            centre=pipeline.centre,
            denoise=pipeline.denoise,
            metric=pipeline.metric,
        )
    return pipeline


def cosine_range(cells: CellStack, pipeline: Pipeline) -> CosineRange:
    """Cosines of all prompts to the filter's reference, and the axis a threshold can move on.

    Args:
        cells: under the pipeline's inner product.
        pipeline: its threshold does not matter; without a reference the mean is taken.
    """
    reference = "mean" if pipeline.filter_reference == "none" else pipeline.filter_reference
    plain = Pipeline(
        row_scaling=pipeline.row_scaling, filter_reference=reference, metric=pipeline.metric
    )
    values = built_at(plain, cells, KEEP_ALL).cosines
    finite = values[np.isfinite(values)]
    if not finite.size:
        return CosineRange(values, -1.0, 1.0)
    low = max(-1.0, float(np.floor(100 * finite.min() - 1e-9)) / 100)
    high = min(1.0, float(np.floor(100 * finite.max()) + 1) / 100)
    return CosineRange(values, low, high)


def one_cell(run: Run, metric: str, trait: str, prompt_set: str, layer: int) -> CellStack | None:
    """One cell as a stack of its own; None where it lacks the inner product.

    Args:
        run: an open run.
        metric: name of the inner product.
        trait: one of the run's traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
    """
    found = run.cell_products(metric, trait, prompt_set, layer)
    if not found:
        return None
    return found[0].stacked(run.record.width)

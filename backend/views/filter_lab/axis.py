"""The axis a filter's threshold moves on: its ends, and every vector along it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.core.vectors.cell_stack import take
from backend.core.vectors.lab import Steps, built_at, threshold_steps
from backend.core.vectors.pipeline import Centre, FilterReference, Pipeline, RowScaling
from backend.views.filter_lab.cells import Key, LabStack

__all__ = ["Centre", "FilterReference", "Pipeline", "RowScaling", "Steps"]

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


def without_threshold(pipeline: Pipeline) -> Pipeline:
    """The pipeline with a threshold that keeps all: what does not move with the slider."""
    return dataclasses.replace(pipeline, threshold=KEEP_ALL)


def cosine_range(stack: LabStack, pipeline: Pipeline) -> CosineRange:
    """Cosines of all prompts to the filter's reference, and the axis a threshold can move on.

    Args:
        stack: under the pipeline's metric.
        pipeline: its threshold does not matter; without a reference the mean is taken.
    """
    reference = "mean" if pipeline.filter_reference == "none" else pipeline.filter_reference
    plain = Pipeline(
        row_scaling=pipeline.row_scaling, filter_reference=reference, metric=pipeline.metric
    )
    values = built_at(plain, stack.cells, KEEP_ALL).cosines
    finite = values[np.isfinite(values)]
    if not finite.size:
        return CosineRange(values, -1.0, 1.0)
    low = max(-1.0, float(np.floor(100 * finite.min() - 1e-9)) / 100)
    high = min(1.0, float(np.floor(100 * finite.max()) + 1) / 100)
    return CosineRange(values, low, high)


def cell_steps(stack: LabStack, pipeline: Pipeline, place: Key) -> Steps | None:
    """r of one cell along the whole threshold axis; None where it lacks the metric.

    Args:
        stack: under the pipeline's metric.
        pipeline: with a filter; its threshold does not matter.
        place: which cell.
    """
    if place not in stack.keys:
        return None
    chosen = np.array([stack.keys.index(place)])
    return threshold_steps(pipeline, take(stack.cells, chosen))

"""From pipeline choices to weights: v = P'w for every cell at once, without activations.

Row scaling, filtering and denoising map the prompts P to other rows TP, all in the span of P, so
G of the new rows and the weights of v follow from G alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.vectors.cell_stack import CellStack
from backend.core.vectors.centre import geometric_median_weights, mean_weights
from backend.core.vectors.pipeline import LEAST_PROMPTS, Pipeline

ZERO_ROW = "a prompt's activation is zero and cannot be scaled to norm 1"
NO_DIRECTION = "a prompt or its reference is zero, so there is no cosine to filter by"


@dataclass(frozen=True)
class Built:
    """What a pipeline makes of each cell.

    Attributes:
        weights: w with v = P'w, of the original prompts, [C, n]; zero where refused.
        kept: [C, n], True for prompts that pass the filter.
        cosines: [C, n], each prompt's cosine to the filter's reference; NaN without a filter and
            for absent prompts.
        gram: inner products of the rows after scaling and denoising, [C, n, n].
        row_weights: weights of v on those rows, [C, n].
        refusals: cell -> why it has no vector.
    """

    weights: Floats
    kept: Bools
    cosines: Floats
    gram: Floats
    row_weights: Floats
    refusals: dict[int, str]


def build(pipeline: Pipeline, cells: CellStack) -> Built:
    """Weights of the vector of every cell.

    Args:
        pipeline: the choices; its metric must be the one ``cells`` was made with.
        cells: inner products.

    Returns:
        Weights and the transformed rows. A cell is refused if a filter would leave fewer than two
        prompts in a pole, if a row of norm zero must be scaled, or if removing components would
        leave no within-class variation.
    """
    refusals: dict[int, str] = {}
    present = cells.high | cells.low
    scale, gram = _scaled(pipeline, cells, present, refusals)
    kept, cosines = _filtered(pipeline, gram, cells, refusals)
    high, low = kept & cells.high, kept & cells.low
    if pipeline.filter_reference != "none":
        _refuse_small(high, low, pipeline, refusals)
    if pipeline.centre == "mean":
        rows = mean_weights(high) - mean_weights(low)
    else:
        rows = geometric_median_weights(gram, high) - geometric_median_weights(gram, low)
    back = rows
    if pipeline.denoise:
        gram, back = _denoised(pipeline.denoise, gram, high, low, rows, refusals)
    weights = scale * back
    if refusals:
        weights[list(refusals)] = 0.0
    return Built(weights, kept, cosines, gram, rows, refusals)


@dataclass(frozen=True)
class BuiltAlong:
    """What a pipeline makes of one cell at many thresholds.

    Attributes:
        weights: w of each, [T, n]; zero where refused.
        kept: [T, n], True for prompts that pass the filter.
        refusals: why each has no vector, [T]; None where it has one.
    """

    weights: Floats
    kept: Bools
    refusals: tuple[str | None, ...]


def build_along(pipeline: Pipeline, cell: CellStack, thresholds: Floats) -> BuiltAlong:
    """Weights of one cell at many thresholds of its filter, as :func:`build` makes them one by one.

    Where the centre is the mean and nothing is removed, all come from one pass over the prompts'
    inner products: a cell of a thousand prompts takes milliseconds.

    Args:
        pipeline: the choices, with a filter; its threshold is replaced.
        cell: a stack of one cell.
        thresholds: [T].
    """
    if pipeline.centre != "mean" or pipeline.denoise:
        found = [
            build(dataclasses.replace(pipeline, threshold=float(threshold)), cell)
            for threshold in thresholds
        ]
        n = cell.high.shape[1]
        return BuiltAlong(
            np.array([built.weights[0] for built in found]).reshape(-1, n),
            np.array([built.kept[0] for built in found], bool).reshape(-1, n),
            tuple(built.refusals.get(0) for built in found),
        )
    unfit: dict[int, str] = {}
    scale, gram = _scaled(pipeline, cell, cell.high | cell.low, unfit)
    _, cosines = _filtered(dataclasses.replace(pipeline, threshold=-1.0), gram, cell, unfit)
    passed = np.nan_to_num(cosines, nan=-2.0) >= np.asarray(thresholds)[:, None]
    kept = (cell.high | cell.low) & passed
    high, low = kept & cell.high, kept & cell.low
    refusals = tuple(
        unfit.get(0) or (too_few(f"{threshold:g}", h, w) if min(h, w) < LEAST_PROMPTS else None)
        for threshold, h, w in zip(
            thresholds, high.sum(axis=1).tolist(), low.sum(axis=1).tolist(), strict=True
        )
    )
    made = np.array([refusal is None for refusal in refusals], bool)
    rows = mean_weights(high) - mean_weights(low)
    return BuiltAlong(np.where(made[:, None], scale * rows, 0.0), kept, refusals)


def _scaled(
    pipeline: Pipeline, cells: CellStack, present: Bools, refusals: dict[int, str]
) -> tuple[Floats, Floats]:
    if pipeline.row_scaling == "none":
        return np.ones(present.shape), cells.gram
    norms = np.sqrt(np.einsum("cii->ci", cells.gram))
    for cell in np.flatnonzero((present & (norms <= 0)).any(axis=1)):
        refusals[int(cell)] = ZERO_ROW
    scale = np.where(norms > 0, 1.0 / np.where(norms > 0, norms, 1.0), 0.0)
    return scale, cells.gram * scale[:, :, None] * scale[:, None, :]


def _filtered(
    pipeline: Pipeline, gram: Floats, cells: CellStack, refusals: dict[int, str]
) -> tuple[Bools, Floats]:
    present = cells.high | cells.low
    if pipeline.filter_reference == "none":
        return present, np.full(present.shape, np.nan)
    cosines = np.full(present.shape, np.nan)
    for pole in (cells.high, cells.low):
        found = _cosines_to_reference(pipeline, gram, pole)
        cosines = np.where(pole, found, cosines)
    for cell in np.flatnonzero((present & np.isnan(cosines)).any(axis=1)):
        refusals.setdefault(int(cell), NO_DIRECTION)
    kept = present & (np.nan_to_num(cosines, nan=-2.0) >= pipeline.threshold)
    return kept, cosines


def _cosines_to_reference(pipeline: Pipeline, gram: Floats, pole: Bools) -> Floats:
    """Cosine of every row to its pole's reference, [C, n]; NaN where a length is zero."""
    diagonal = np.einsum("cii->ci", gram)
    if pipeline.filter_reference == "leave_one_out":
        sums = np.einsum("cij,cj->ci", gram, pole.astype(np.float64))
        total = np.einsum("ci,ci->c", sums, pole)[:, None]
        product = sums - diagonal
        square = total - 2 * sums + diagonal
    else:
        if pipeline.filter_reference == "mean":
            reference = mean_weights(pole)
        else:
            reference = geometric_median_weights(gram, pole)
        product = np.einsum("cij,cj->ci", gram, reference)
        square = np.einsum("ci,ci->c", product, reference)[:, None] * np.ones_like(diagonal)
    defined = (diagonal > 0) & (square > 1e-14 * diagonal)
    lengths = np.sqrt(np.where(defined, diagonal * square, 1.0))
    cosines: Floats = np.where(defined, np.clip(product / lengths, -1.0, 1.0), np.nan)
    return cosines


def _refuse_small(high: Bools, low: Bools, pipeline: Pipeline, refusals: dict[int, str]) -> None:
    counts = np.stack([high.sum(axis=1), low.sum(axis=1)], axis=1)
    for cell in np.flatnonzero(counts.min(axis=1) < LEAST_PROMPTS):
        in_high, in_low = counts[cell]
        refusals.setdefault(int(cell), too_few(f"{pipeline.threshold:g}", in_high, in_low))


def too_few(threshold: str, high: int, low: int) -> str:
    """Why a filter that leaves so many high and low prompts makes no vector.

    Args:
        threshold: as it is written.
        high: prompts left of the high pole.
        low: of the low pole.
    """
    return (
        f"a cosine of at least {threshold} leaves {high} high and {low} low prompts; "
        f"a pole needs {LEAST_PROMPTS}"
    )


def _denoised(
    k: int, gram: Floats, high: Bools, low: Bools, rows: Floats, refusals: dict[int, str]
) -> tuple[Floats, Floats]:
    """Rows and weights with the top-k principal components of the within-class rows removed.

    Returns:
        G of the new rows, and the weights of v on the rows before.
    """
    identity = np.eye(gram.shape[-1])
    # Row i of the centring matrix takes away the mean of i's pole, among kept rows.
    centring = np.zeros_like(gram)
    for pole in (high, low):
        centring += pole[:, :, None] * (identity - mean_weights(pole)[:, None, :])
    within = centring @ gram @ centring.swapaxes(1, 2)
    values, vectors = np.linalg.eigh(within)
    # With all of them gone the prompts of a pole would be one point, and only rounding is left.
    trace = np.maximum(np.einsum("cii->c", within), 0.0)
    directions = (values > 1e-10 * trace[:, None]).sum(axis=1)
    lacking = directions <= k
    for cell in np.flatnonzero(lacking):
        refusals.setdefault(
            int(cell),
            f"the prompts have {directions[cell]} within-class directions, and removing {k} "
            "leaves none",
        )
    values, vectors = values[:, ::-1][:, :k], vectors[:, :, ::-1][:, :, :k]
    inverse = np.where(lacking[:, None], 0.0, 1.0 / np.where(values > 0, values, 1.0))
    # Component j is u_j = P' c_j / sqrt(value_j); row i's product with it is g_ij / sqrt(value_j).
    combinations = centring.swapaxes(1, 2) @ vectors
    products = gram @ combinations
    weighted = products * inverse[:, None, :]
    cleaned = gram - weighted @ products.swapaxes(1, 2)
    along = np.einsum("cij,ci->cj", weighted, rows)
    return cleaned, rows - np.einsum("cij,cj->ci", combinations, along)

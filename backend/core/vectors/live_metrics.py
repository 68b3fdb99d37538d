"""The metrics of many cells at once, from inner products alone, fast enough for a slider.

Each equals the metric of the same name in the registry (a test compares them); there
one cell is measured with its reasons, here all cells of a study in a few array operations. Not
here are the metrics of single coordinates (dominance, dominant coordinate, participation ratio),
which need the vector itself, and split-half stability, which needs hundreds of random halves.

Separation, snr and Fisher ratio are those of the built vector. AUROC, d' and influence describe
the prompts: they rebuild the vector as a mean difference without the prompts left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Bools, Floats
from backend.core.geometry.within_pole import ROUNDING

LIVE_METRICS = (
    "separation",
    "high_within_variance",
    "low_within_variance",
    "high_cosine",
    "low_cosine",
    "snr",
    "high_norm_cv",
    "low_norm_cv",
    "high_spread",
    "low_spread",
    "fisher_ratio",
    "d_prime",
    "auroc",
    "largest_influence",
)


def live_metrics(
    gram: Floats, high: Bools, low: Bools, weights: Floats, width: int | Floats
) -> dict[str, Floats]:
    """Metrics of every cell.

    Args:
        gram: inner products of the rows, [C, n, n].
        high: kept rows of the high pole, [C, n].
        low: kept rows of the low pole, [C, n].
        weights: weights of v on the rows, [C, n].
        width: d, one for all or one per cell.

    Returns:
        Metric name -> [C], NaN where undefined (the registry says when).
    """
    found: dict[str, Floats] = {}
    norms = np.sqrt(np.maximum(np.einsum("cii->ci", gram), 0.0))
    traces = []
    for name, pole in (("high", high), ("low", low)):
        measured, trace = _within(gram, norms, pole, width)
        found |= {f"{name}_{metric}": values for metric, values in measured.items()}
        traces.append(trace)
    square = np.maximum(_form(gram, weights), 0.0)
    mean_trace = 0.5 * (traces[0] + traces[1])
    found["separation"] = np.sqrt(square)
    found["snr"] = _divide(np.sqrt(square), mean_trace / width)
    found["fisher_ratio"] = _divide(square, mean_trace)
    found["auroc"], found["d_prime"] = _held_out(gram, high, low)
    found["largest_influence"] = _largest_influence(gram, high, low)
    return {name: found[name] for name in LIVE_METRICS}


def _within(
    gram: Floats, norms: Floats, pole: Bools, width: int | Floats
) -> tuple[dict[str, Floats], Floats]:
    count = np.maximum(pole.sum(axis=1), 1).astype(np.float64)
    mean = pole / count[:, None]
    mean_square = _form(gram, mean)
    square = (mean * np.square(norms)).sum(axis=1)
    trace = np.where(square - mean_square > ROUNDING * square, square - mean_square, 0.0)
    mean_norm = (mean * norms).sum(axis=1)
    norm_variance = np.maximum((mean * np.square(norms - mean_norm[:, None])).sum(axis=1), 0.0)
    zero = (pole & (norms <= 0)).any(axis=1)
    directions = np.where(norms > 0, mean / np.where(norms > 0, norms, 1.0), 0.0)
    cosine = _divide(np.square(count) * _form(gram, directions) - count, count * (count - 1))
    cosine[zero] = np.nan
    return {
        "within_variance": trace / width,
        "cosine": cosine,
        "norm_cv": _divide(np.sqrt(norm_variance), mean_norm),
        "spread": _divide(trace, mean_square),
    }, trace


def _held_out(gram: Floats, high: Bools, low: Bools) -> tuple[Floats, Floats]:
    """AUROC and d' with one prompt of each pole left out; see backend.core.geometry.held_out."""
    n_high, n_low = (p.sum(axis=1).astype(np.float64)[:, None] for p in (high, low))
    to_high = (gram @ high.astype(np.float64)[..., None])[..., 0]
    to_low = (gram @ low.astype(np.float64)[..., None])[..., 0]
    own = np.einsum("cii->ci", gram)
    # Rows are gathered by pole, so that only high x low blocks are worked on.
    rows, i = _members(high)
    columns, j = _members(low)
    cells = np.arange(len(gram))[:, None]
    cross = gram[cells[:, :, None], rows[:, :, None], columns[:, None, :]]
    pairs = i[:, :, None] & j[:, None, :]
    less_high, less_low = np.maximum(n_high - 1, 1), np.maximum(n_low - 1, 1)
    high_to_high, high_to_low, high_own = (part[cells, rows] for part in (to_high, to_low, own))
    low_to_high, low_to_low, low_own = (part[cells, columns] for part in (to_high, to_low, own))
    # Of the product with v_ij: what depends on i alone, on j alone, and on the pair.
    by_i = (high_to_high - high_own) / less_high - high_to_low / less_low
    by_j = low_to_high / less_high - (low_to_low - low_own) / less_low
    pair_share = (1 / less_low + 1 / less_high)[:, :, None]
    along = by_i[:, :, None] - by_j[:, None, :] + pair_share * cross
    high_sum, low_sum = (to_high * high).sum(axis=1), (to_low * low).sum(axis=1)
    cross_sum = (to_low * high).sum(axis=1)
    both = 2 / (less_high * less_low)
    square_i = (high_sum[:, None] - 2 * high_to_high + high_own) / less_high**2
    square_i = square_i + both * (high_to_low - cross_sum[:, None])
    square_j = (low_sum[:, None] - 2 * low_to_low + low_own) / less_low**2 + both * low_to_high
    square = square_i[:, :, None] + square_j[:, None, :] - both[:, :, None] * cross
    small = np.minimum(n_high, n_low)[:, 0] < 2
    undefined = small | (pairs & (square <= 0)).any(axis=(1, 2))
    differences = np.where(pairs, along / np.sqrt(np.where(pairs & (square > 0), square, 1.0)), 0.0)
    count = pairs.sum(axis=(1, 2)).astype(np.float64)
    ordered = (differences > 0).sum(axis=(1, 2))
    tied = (pairs & (differences == 0)).sum(axis=(1, 2))
    mean = _divide(differences.sum(axis=(1, 2)), count)
    centred = np.where(pairs, differences - mean[:, None, None], 0.0)
    sd = np.sqrt(_divide(np.einsum("cij,cij->c", centred, centred), count - 1))
    flat = sd <= 1e-12 * np.abs(differences).max(axis=(1, 2), initial=0.0)
    auroc = np.where(undefined, np.nan, _divide(ordered + 0.5 * tied, count))
    d_prime = np.where(undefined | flat, np.nan, _divide(np.sqrt(2.0) * mean, sd))
    return auroc, d_prime


def _members(pole: Bools) -> tuple[NDArray[np.intp], Bools]:
    """Indices of a pole's rows, members first, and which of them are members; [C, most]."""
    most = max(1, int(pole.sum(axis=1).max(initial=0)))
    order = np.argsort(~pole, axis=1, kind="stable")[:, :most]
    return order, np.take_along_axis(pole, order, axis=1)


def _largest_influence(gram: Floats, high: Bools, low: Bools) -> Floats:
    """Largest angle, degrees, by which the mean difference turns when one prompt is left out."""
    n_high, n_low = high.sum(axis=1)[:, None], low.sum(axis=1)[:, None]
    whole = high / np.maximum(n_high, 1) - low / np.maximum(n_low, 1)
    products = (gram @ whole[..., None])[..., 0]
    own = np.einsum("cii->ci", gram)
    square = np.einsum("ci,ci->c", whole, products)[:, None]
    # Without prompt i of a pole of n, v gains s (mu - x_i) / (n - 1), with s = 1 or -1.
    along = np.zeros_like(whole)
    moved = np.zeros_like(whole)
    for pole, count, sign in ((high, n_high, 1.0), (low, n_low, -1.0)):
        mean = pole / np.maximum(count, 1)
        to_mean = (gram @ mean[..., None])[..., 0]
        mean_square = np.einsum("ci,ci->c", mean, to_mean)[:, None]
        mean_along = np.einsum("ci,ci->c", mean, products)[:, None]
        gap = np.maximum(mean_square - 2 * to_mean + own, 0.0)
        less = np.maximum(count - 1, 1)
        along = np.where(pole, sign * (mean_along - products) / less, along)
        moved = np.where(pole, gap / less**2, moved)
    defined = (high & (n_high > 1)) | (low & (n_low > 1))
    # The change of v across v; its tangent keeps digits that an arccosine would lose.
    across = np.sqrt(np.maximum(moved - np.square(along) / np.where(square > 0, square, 1.0), 0.0))
    forward = np.sqrt(np.maximum(square, 0.0)) + along / np.sqrt(np.where(square > 0, square, 1.0))
    degrees = np.degrees(np.arctan2(across, forward))
    degrees = np.where(defined & (square > 0), degrees, -1.0)
    largest = degrees.max(axis=1, initial=-1.0)
    return np.where(largest < 0, np.nan, largest)


def _form(gram: Floats, weights: Floats) -> Floats:
    """w'Gw of each cell, [C]."""
    form: Floats = np.einsum("ci,ci->c", (gram @ weights[..., None])[..., 0], weights)
    return form


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is not positive."""
    defined = denominator > 0
    quotient: Floats = np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)
    return quotient

"""Prompts that come in pairs: do their differences agree, and how many prompts are there really?

A pair is what a high and a low prompt have in common, such as the question that both answer. Its
difference d_k is the mean of its high prompts minus the mean of its low ones; v is the mean of the
differences. Steering by v is unreliable where the differences disagree (Braun et al. 2025, arXiv
2505.22637).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.core.arrays import ROUNDING, Floats
from backend.core.metrics.measured import EMPTY_POLE, Measured
from backend.core.prompt_cells import PromptCells

NOT_PAIRED = "the prompts do not come in pairs"
TOO_FEW = "agreement needs at least 2 pairs of a high and a low prompt"
ZERO = "the difference of a pair, or of all other pairs, is zero"


def pair_agreement(cells: PromptCells) -> Measured:
    """Mean over pairs of the cosine of a pair's difference with the mean of the others.

    Scale-free; range [-1, 1]; 1 where all differences point one way, about 0 where they have
    nothing in common. Undefined without pairs, with fewer than two, or if a difference is zero.
    """

    def of(differences: Floats) -> float | None:
        cosines = _left_out_cosines(differences)
        return None if cosines is None else float(cosines.mean())

    return _measured(cells, of, ZERO)


def pairs_astray(cells: PromptCells) -> Measured:
    """Share of the pairs whose difference points against the mean of the others.

    Scale-free; range [0, 1]; 0.5 by chance. Undefined as :func:`pair_agreement`.
    """

    def of(differences: Floats) -> float | None:
        cosines = _left_out_cosines(differences)
        return None if cosines is None else float((cosines < 0).mean())

    return _measured(cells, of, ZERO)


def effective_prompts(cells: PromptCells) -> Measured:
    """How many different prompts there are: the participation ratio of what sets them apart.

    (sum of eigenvalues)^2 / sum of their squares of the inner products of the prompts about their
    pole's mean, plus one for each of the two means: n for n prompts that differ each in its own
    way by the same amount, half as many where each is there twice. Scale-free; range [3, n].
    Undefined with fewer than two prompts in a pole, or if those of each pole are the same. Source:
    Gao et al. 2017 (bioRxiv 214262), participation ratio.
    """
    centred = np.zeros_like(cells.gram)
    for pole in (cells.high, cells.low):
        share = pole / np.maximum(pole.sum(axis=1, keepdims=True), 1)
        centring = pole[:, :, None] * (np.eye(pole.shape[1]) - share[:, None, :])
        centred += centring
    within = centred @ cells.gram @ centred.swapaxes(1, 2)
    trace = np.einsum("cii->c", within)
    size = np.einsum("cii->c", cells.gram)
    squares = np.square(within).sum(axis=(1, 2))
    still = trace <= ROUNDING * size
    values = np.square(trace) / np.where(still, 1.0, squares) + 2
    return Measured.unless(
        cells,
        values,
        (cells.fewest < 2, "it needs at least 2 prompts in each pole"),
        (still, "the prompts of each pole are the same"),
    )


def _measured(cells: PromptCells, of: Callable[[Floats], float | None], why: str) -> Measured:
    """A measure of the inner products of each cell's differences, [pairs, pairs]."""
    values, reasons = np.full(len(cells), np.nan), {}
    for cell in range(len(cells)):
        if cells.fewest[cell] < 1:
            reasons[cell] = EMPTY_POLE
            continue
        weights = _weights(cells, cell)
        if weights is None:
            reasons[cell] = NOT_PAIRED
        elif len(weights) < 2:
            reasons[cell] = TOO_FEW
        else:
            value = of(weights @ cells.gram[cell] @ weights.T)
            if value is None:
                reasons[cell] = why
            else:
                values[cell] = value
    return Measured(values, reasons)


def _weights(cells: PromptCells, cell: int) -> Floats | None:
    """Weights of the prompts in each pair's difference, [pairs, n]; None without any pair."""
    if cells.pairs is None:
        return None
    own = cells.pairs[cell]
    rows = []
    for pair in np.unique(own[own >= 0]):
        high, low = (pole[cell] & (own == pair) for pole in (cells.high, cells.low))
        if high.any() and low.any():
            rows.append(high / high.sum() - low / low.sum())
    return np.array(rows) if rows else None


def _left_out_cosines(products: Floats) -> Floats | None:
    """cos(d_k, sum of the others) of each pair, [pairs]; None where one of the two is zero."""
    squares = np.diag(products)
    along = products.sum(axis=1) - squares
    others = products.sum() - 2 * products.sum(axis=1) + squares
    floor = ROUNDING * squares.max()
    if squares.min() <= floor or others.min() <= floor:
        return None
    found: Floats = np.clip(along / np.sqrt(squares * others), -1.0, 1.0)
    return found

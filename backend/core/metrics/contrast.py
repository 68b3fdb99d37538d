"""Metrics of the contrast between the poles: the vector v and its coordinates.

v is the vector as it was built: mu_H - mu_L, or what the lab's choices made of it.
"""

from __future__ import annotations

import numpy as np

from backend.core.metrics.measured import Measured, quotient
from backend.core.prompt_cells import PromptCells

NO_SEPARATION = "the two poles have the same mean, so the vector is zero"
NO_VARIANCE = "both poles have no within-class variance"


def separation(cells: PromptCells) -> Measured:
    """Separation ||mu_H - mu_L||. Activation units; range [0, inf). Source: study (Sep)."""
    return Measured.unless(cells, cells.separation)


def snr(cells: PromptCells) -> Measured:
    """Separation divided by the mean of the two within-class variances.

    Units 1/activation: multiplying all activations by ten divides it by ten, so it cannot
    compare models. Range [0, inf). Undefined without within-class variance. Source: study (SNR).
    """
    variance = cells.mean_trace / cells.width
    return Measured.unless(
        cells, quotient(cells.separation, variance), (variance <= 0, NO_VARIANCE)
    )


def fisher_ratio(cells: PromptCells) -> Measured:
    """||v||^2 divided by the mean of the two poles' traces of covariance.

    Scale-free; range [0, inf). Undefined without within-class variance. Source: Fisher 1936,
    Annals of Eugenics 7: 179-188.
    """
    trace = cells.mean_trace
    return Measured.unless(
        cells, quotient(np.square(cells.separation), trace), (trace <= 0, NO_VARIANCE)
    )


def dominance(cells: PromptCells) -> Measured:
    """Largest v_j^2 / ||v||^2: the share of the vector held by its largest coordinate.

    Scale-free; range [1/d, 1]. Undefined if v is zero. Depends on the model's coordinate basis,
    not on lengths and angles alone.
    """
    total = cells.vector_square_sum
    largest = cells.vector_squares.max(axis=1)
    return Measured.unless(cells, quotient(largest, total), (total <= 0, NO_SEPARATION))


def dominant_coordinate(cells: PromptCells) -> Measured:
    """Index j of the coordinate with the largest v_j^2, counted from 0. Undefined if v is zero."""
    index = np.argmax(cells.vector_squares, axis=1).astype(np.float64)
    return Measured.unless(cells, index, (cells.vector_square_sum <= 0, NO_SEPARATION))


def participation_ratio(cells: PromptCells) -> Measured:
    """(sum v_j^2)^2 / sum v_j^4: how many coordinates the vector effectively uses.

    Scale-free; range [1, d]. Undefined if v is zero. Source: Bell and Dean 1970, Discussions of
    the Faraday Society 50: 55-61.
    """
    total = cells.vector_square_sum
    shares = quotient(
        cells.vector_squares, np.broadcast_to(total[:, None], cells.vector_squares.shape)
    )
    ratio = 1.0 / np.square(shares).sum(axis=1)
    return Measured.unless(cells, ratio, (total <= 0, NO_SEPARATION))

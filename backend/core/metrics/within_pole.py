"""Metrics of one pole's prompts: how much they agree in direction and in length."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import flat
from backend.core.metrics.measured import Measured, quotient
from backend.core.prompt_cells import PromptCells


def within_variance(cells: PromptCells, high: bool) -> Measured:
    """Within-class variance: mean over the d coordinates of the population variance.

    Units: activation squared; range [0, inf). Source: study, "Raw Data" (HVar, LVar).
    """
    pole = cells.pole(high)
    return Measured.unless(cells, pole.trace / cells.width, prompts=pole.prompts)


def mean_cosine(cells: PromptCells, high: bool) -> Measured:
    """Mean over pairs i<j of cos(x_i, x_j) within a pole.

    Scale-free; range [-1, 1]. Undefined with one prompt or a zero activation. Source: study,
    "Raw Data" (HCos, LCos).
    """
    pole = cells.pole(high)
    most = pole.members.shape[1]
    i, j = np.triu_indices(most, k=1)
    # A zero activation leaves its cell undefined, and padding has inner products of zero.
    norms = np.where(pole.norms > 0, pole.norms, 1.0)
    cosines = np.take(flat(pole.gram), i * most + j, axis=1)
    cosines /= np.take(norms, i, axis=1) * np.take(norms, j, axis=1)
    # Rounding can leave 1 + 1e-16; a cosine is never outside its range.
    np.clip(cosines, -1.0, 1.0, out=cosines)
    zero = np.asarray((pole.members & (pole.squares <= 0)).any(axis=1))
    pairs = 0.5 * pole.count * (pole.count - 1)
    return Measured.unless(
        cells,
        quotient(cosines.sum(axis=1), pairs),
        (pole.prompts < 2, "a mean over pairs needs at least 2 prompts in the pole"),
        (zero, "a prompt's activation is zero, so it has no direction"),
        prompts=pole.prompts,
    )


def norm_cv(cells: PromptCells, high: bool) -> Measured:
    """Norm coefficient of variation of a pole: std(||x_i||) / mean(||x_i||), population std.

    Scale-free; range [0, inf). Undefined if all activations are zero.
    """
    pole = cells.pole(high)
    mean = pole.norms.sum(axis=1) / pole.count
    centred = np.where(pole.members, pole.norms - mean[:, None], 0.0)
    std = np.sqrt(np.square(centred).sum(axis=1) / pole.count)
    return Measured.unless(
        cells,
        quotient(std, mean),
        (mean <= 0, "every activation of the pole is zero"),
        prompts=pole.prompts,
    )


def spread(cells: PromptCells, high: bool) -> Measured:
    """Spread of a pole: trace(cov) / ||mu||^2, the within-class variance without its units.

    Scale-free; range [0, inf). Undefined if the pole's mean is zero.
    """
    pole = cells.pole(high)
    return Measured.unless(
        cells,
        quotient(pole.trace, pole.mean_square),
        (pole.mean_square <= 0, "the pole's mean activation is zero"),
        prompts=pole.prompts,
    )

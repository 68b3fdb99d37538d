"""How well v separates prompts it was not built from.

One prompt of *each* pole is left out at a time, and the two are compared along the vector of
the rest. Leaving out a single prompt instead makes its own pole's mean noisier than the
other's and pulls the score towards the wrong side: for two poles drawn from one distribution,
d = 4096 and 5 prompts each, that estimate is near 0 where it should be 0.5. Leaving out a pair
keeps both poles equally noisy, and the AUROC of pure noise at 0.5 (Airola et al. 2011,
Computational Statistics & Data Analysis 55, leave-pair-out cross-validation).
"""

from __future__ import annotations

import numpy as np

from backend.core.cases import Floats
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import PromptSpace

TOO_FEW = "leaving a pair out needs at least 2 prompts in each pole"


def pair_differences(space: PromptSpace) -> Floats | None:
    """(x_i - x_j) . v_ij / ||v_ij|| for every high i and low j, v_ij built without i and j.

    Returns:
        [n_high, n_low], activation units; None if a v_ij is zero. Needs 2 prompts in each pole.
    """
    g = space.gram
    high, low = np.flatnonzero(space.high), np.flatnonzero(~space.high)
    n_high, n_low = len(high), len(low)
    to_high, to_low = g[:, high].sum(axis=1), g[:, low].sum(axis=1)
    diagonal = np.diag(g)
    cross = g[np.ix_(high, low)]
    # Components of x_i . v_ij and x_j . v_ij: sums over a pole, less the prompt left out.
    along_i = (to_high[high] - diagonal[high])[:, None] / (n_high - 1) - (
        to_low[high][:, None] - cross
    ) / (n_low - 1)
    along_j = (to_high[low][None, :] - cross) / (n_high - 1) - (to_low[low] - diagonal[low])[
        None, :
    ] / (n_low - 1)
    high_square = to_high[high].sum() - 2 * to_high[high] + diagonal[high]
    low_square = to_low[low].sum() - 2 * to_low[low] + diagonal[low]
    product = to_low[high].sum() - to_low[high][:, None] - to_high[low][None, :] + cross
    square = (
        high_square[:, None] / (n_high - 1) ** 2
        + low_square[None, :] / (n_low - 1) ** 2
        - 2 * product / ((n_high - 1) * (n_low - 1))
    )
    if square.min() <= 0:
        return None
    differences: Floats = (along_i - along_j) / np.sqrt(square)
    return differences


def auroc(space: PromptSpace) -> Measure:
    """Share of (high, low) pairs in the right order along the vector of the other prompts.

    Scale-free; range [0, 1], 0.5 by chance. Ties count half. Undefined with fewer than two
    prompts in a pole or a vector of length zero.
    """
    if min(space.high.sum(), (~space.high).sum()) < 2:
        return Measure.undefined(TOO_FEW)
    differences = pair_differences(space)
    if differences is None:
        return Measure.undefined("a vector built without one pair of prompts is zero")
    return Measure(float((differences > 0).mean() + 0.5 * (differences == 0).mean()))


def d_prime(space: PromptSpace) -> Measure:
    """Standardised distance of the poles along the vector of the other prompts.

    sqrt(2) mean / sd of the held-out pair differences: a difference of two independent values of
    unit spread has standard deviation sqrt(2), so this is the distance in units of one pole's
    spread. Scale-free; any real number, 0 by chance. Undefined with fewer than two prompts in a
    pole, a vector of length zero, or differences without spread.
    """
    if min(space.high.sum(), (~space.high).sum()) < 2:
        return Measure.undefined(TOO_FEW)
    differences = pair_differences(space)
    if differences is None:
        return Measure.undefined("a vector built without one pair of prompts is zero")
    sd = float(differences.std(ddof=1))
    if sd <= 1e-12 * float(np.abs(differences).max()):
        return Measure.undefined("the held-out differences have no spread")
    return Measure(float(np.sqrt(2.0) * differences.mean() / sd))

"""How well v separates prompts it was not built from.

One prompt of *each* pole is left out at a time, and the two are compared along the vector of
the rest. Leaving out a single prompt instead makes its own pole's mean noisier than the
other's and pulls the score towards the wrong side: for two poles drawn from one distribution,
d = 4096 and 5 prompts each, that estimate is near 0 where it should be 0.5. Leaving out a pair
keeps both poles equally noisy, and the AUROC of pure noise at 0.5 (Airola et al. 2011,
Computational Statistics & Data Analysis 55, leave-pair-out cross-validation).

Where prompts come in pairs, a held-out prompt's partner is left out too: what both share is in the
vector with the partner's sign, and would again pull the score towards the wrong side.

These metrics describe the prompts: they rebuild the vector as a difference of means.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from backend.core.arrays import Bools
from backend.core.metrics.measured import Measured, quotient
from backend.core.prompt_cells import PromptCells

TOO_FEW = "leaving a pair out needs at least 2 prompts in each pole"
FEW_PAIRS = "leaving two pairs out must leave a prompt in each pole"
ZERO_VECTOR = "a vector built without one pair of prompts is zero"


def auroc(cells: PromptCells) -> Measured:
    """Share of (high, low) pairs in the right order along the vector of the other prompts.

    Scale-free; range [0, 1], 0.5 by chance. Ties count half. Undefined with fewer than two
    prompts in a pole, where two pairs are all prompts of a pole, or with a vector of length zero.
    """
    found = cells.pair_differences
    ordered = np.count_nonzero(found.values > 0, axis=1)
    # Padding differs by zero too, and is no tie.
    padding = found.values.shape[1] - found.count
    tied = np.count_nonzero(found.values == 0, axis=1) - padding
    values = ordered / found.count + 0.5 * (tied / found.count)
    return Measured.unless(cells, values, *_undefined(cells))


def d_prime(cells: PromptCells) -> Measured:
    """Standardised distance of the poles along the vector of the other prompts.

    J mean / s of the held-out pair differences. s is the spread of one pole: the squares of the
    pair differences about their mean sum to (n_L (n_H - 1) + n_H (n_L - 1)) s^2 on average, as
    pairs share prompts. J takes out what dividing by an estimated spread adds, gamma(f/2) /
    (sqrt(f/2) gamma((f-1)/2)) with f = n_H + n_L - 2: without both, 5 prompts a pole give a fifth
    too much. Scale-free; any real number, 0 by chance. Undefined as :func:`auroc`, or with
    differences without spread. Source: Green and Swets 1966,
    Signal Detection Theory and Psychophysics; Hedges 1981, Journal of Educational Statistics 6:
    107-128.
    """
    found = cells.pair_differences
    differences = found.values
    mean = differences.sum(axis=1) / found.count
    centred = differences - mean[:, None]
    centred *= centred
    if found.padded:
        np.copyto(centred, 0.0, where=~found.pairs)
    high, low = cells.high_pole.count, cells.low_pole.count
    shared = low * (high - 1) + high * (low - 1)
    sd = np.sqrt(centred.sum(axis=1) / np.maximum(shared, 1.0))
    half = np.maximum(high + low - 2, 2.0) / 2
    unbiased = np.exp(special.gammaln(half) - special.gammaln(half - 0.5)) / np.sqrt(half)
    largest = np.maximum(differences.max(axis=1), -differences.min(axis=1))
    return Measured.unless(
        cells,
        quotient(unbiased * mean, sd),
        *_undefined(cells),
        (sd <= 1e-12 * largest, "the held-out differences have no spread"),
    )


def _undefined(cells: PromptCells) -> tuple[tuple[Bools, str], ...]:
    found = cells.pair_differences
    return (cells.fewest < 2, TOO_FEW), (found.few, FEW_PAIRS), (found.zero, ZERO_VECTOR)

"""What the token at position 0 does to a mean over tokens.

Some models keep an activation hundreds of times the others' at the first token, whatever it is: an
attention sink (Sun et al. 2024, arXiv 2402.17762; Xiao et al. 2024, arXiv 2309.17453). In a mean
over m tokens it weighs 1/m, so the mean reads how long the text is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats


@dataclass(frozen=True)
class FirstTokens:
    """The first token of every text, against the text's pooled activation p.

    Attributes:
        norms: ||x_0||, the norm of the activation at position 0, pooled or not; any shape.
        shares: w_0 x_0'p / ||p||^2, the first token's part of p's squared length, w_0 being its
            weight in p. All tokens' shares sum to 1, so an ordinary one has about 1/m. 0 where the
            pooling leaves the first token out; above 1 where the rest points against it; NaN where
            p is zero. Of the same shape.
    """

    norms: Floats
    shares: Floats


def first_tokens(
    pooled: NDArray[np.floating],
    norms: NDArray[np.floating],
    dots: NDArray[np.floating],
    weights: NDArray[np.floating],
) -> FirstTokens:
    """From what a forward pass can give at once.

    Args:
        pooled: p, [layers, texts, d].
        norms: ||x_0||, [layers, texts].
        dots: x_0'p, [layers, texts].
        weights: w_0, [texts].
    """
    squares = np.square(pooled, dtype=np.float64).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(squares > 0, weights * dots.astype(np.float64) / squares, np.nan)
    return FirstTokens(norms.astype(np.float64), shares)


def share_beyond(shares: Floats, tokens: Floats) -> Floats:
    """The first token's share beyond an ordinary token's 1/m, over what is left beyond it.

    0 for a token like the others, 1 for one that makes up the whole mean; negative for one that
    counts for less than the others. NaN for a text of one token, which has no others.

    Args:
        shares: as in :class:`FirstTokens`, [texts].
        tokens: m, how many tokens the mean is over, [texts].
    """
    ordinary = 1 / np.where(tokens > 1, tokens, np.nan)
    found: Floats = (shares - ordinary) / (1 - ordinary)
    return found

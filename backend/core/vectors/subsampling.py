"""How many prompts does a vector need? (study, Solution A)

Vectors are built from random subsets of the prompts of each pole, all subsets at once through G, S
and b.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.moments import Moments

SIZES = (5, 10, 15, 20)
DRAWS = 400
SEED = 20260306


@dataclass(frozen=True)
class SubsampleSize:
    """Vectors from ``size`` prompts per pole; intervals are 2.5 to 97.5% of the draws.

    They show what the choice of prompts does, the responses being the same; sampling error of r
    over scenarios comes on top.

    Attributes:
        size: prompts per pole.
        cosine: mean cosine to the vector of all prompts, with its interval.
        stability: mean cosine of two vectors from disjoint subsets of this size; None where the
            prompts do not suffice for two, or for a single whole set.
        r: mean r with its interval; None where r is undefined.
    """

    size: int
    cosine: tuple[float, float, float]
    stability: float | None
    r: tuple[float, float, float] | None


def subsample(
    gram: Floats,
    high: Bools,
    moments: Moments,
    sizes: tuple[int, ...] = SIZES,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[SubsampleSize, ...]:
    """Vectors from subsets of the prompts.

    Args:
        gram: G, [n, n].
        high: [n], True for the high pole.
        moments: S, b and y'y over those prompts.
        sizes: prompts per pole; sizes larger than a pole are left out.
        draws: subsets per size; one where the size takes both poles whole.
        seed: of the draws.
    """
    poles = (np.flatnonzero(high), np.flatnonzero(~high))
    whole = np.where(high, 1 / high.sum(), -1 / (~high).sum())
    length = np.sqrt(max(0.0, float(whole @ gram @ whole)))
    found = []
    for size in sizes:
        if size > min(len(pole) for pole in poles) or length == 0:
            continue
        count = 1 if all(len(pole) == size for pole in poles) else draws
        first, second = _subsets(high.tobytes(), size, count, seed)
        lengths = _lengths(first, gram)
        cosines = (first @ gram @ whole) / np.where(lengths > 0, lengths * length, 1.0)
        disjoint = min(len(pole) for pole in poles) >= 2 * size
        stability = None
        if disjoint:
            scale = lengths * _lengths(second, gram)
            products = np.einsum("ij,ij->i", first @ gram, second)
            stability = float((products / np.where(scale > 0, scale, 1.0)).mean())
        found.append(
            SubsampleSize(size, _spread(np.clip(cosines, -1, 1)), stability, _r(first, moments))
        )
    return tuple(found)


@lru_cache(maxsize=64)
def _subsets(high: bytes, size: int, count: int, seed: int) -> tuple[Floats, Floats]:
    """Weights of vectors from disjoint subsets, [count, n] each; the same at every layer.

    Args:
        high: bytes of [n] booleans, True for the high pole.
        size: prompts per pole.
        count: how many subsets.
        seed: of the draws.
    """
    mask = np.frombuffer(high, bool)
    rng = np.random.default_rng([seed, size])
    first, second = np.zeros((count, len(mask))), np.zeros((count, len(mask)))
    for row in range(count):
        for pole, sign in ((np.flatnonzero(mask), 1.0), (np.flatnonzero(~mask), -1.0)):
            order = rng.permutation(pole)
            first[row, order[:size]] = sign / size
            second[row, order[size : 2 * size]] = sign / size
    return first, second


def _lengths(weights: Floats, gram: Floats) -> Floats:
    squares = np.einsum("ij,ij->i", weights @ gram, weights)
    lengths: Floats = np.sqrt(np.maximum(squares, 0.0))
    return lengths


def _r(weights: Floats, moments: Moments) -> tuple[float, float, float] | None:
    x_square = np.einsum("ij,ij->i", weights @ moments.s, weights)
    if moments.count < 3 or moments.y_square <= 0 or x_square.min() <= 0:
        return None
    return _spread(weights @ moments.b / np.sqrt(x_square * moments.y_square))


def _spread(values: Floats) -> tuple[float, float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)

"""What r looks like for directions that know nothing of the trait.

Shown beside every result: a vector is only as good as its distance from these. Random directions
say what any direction reaches with these responses; shuffled labels keep the prompts and break
only which pole each shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.cases import Cases
from backend.core.moments import Moments

DRAWS = 400
SEED = 20260305


@dataclass(frozen=True)
class Control:
    """r of many uninformed directions.

    Attributes:
        draws: how many directions.
        low: 2.5% quantile of r; None where undefined.
        high: 97.5% quantile.
        typical: median of |r|.
        p: share of directions with |r| at least that of the vector, (b + 1) / (m + 1).
        reason: why it is undefined.
    """

    draws: int
    low: float | None
    high: float | None
    typical: float | None
    p: float | None
    reason: str | None = None


def shuffled_labels(
    high: Bools, moments: Moments, r: float | None, draws: int = DRAWS, seed: int = SEED
) -> Control:
    """Mean differences of the same prompts with their poles shuffled.

    Args:
        high: [n], True for the high pole.
        moments: S, b and y'y over those prompts.
        r: r of the true labels.
        draws: number of shuffles.
        seed: of the shuffles.
    """
    rng = np.random.default_rng(seed)
    masks = rng.permuted(np.tile(high, (draws, 1)), axis=1)
    weights = masks / masks.sum(axis=1, keepdims=True) - ~masks / (~masks).sum(
        axis=1, keepdims=True
    )
    x_square = np.einsum("ij,ij->i", weights @ moments.s, weights)
    return _summary(weights @ moments.b, x_square, moments.y_square, moments.count, r)


def random_directions(projections: Floats, cases: Cases, r: float | None) -> Control:
    """Isotropic random directions of the residual stream.

    Args:
        projections: drift (or level) of the responses along each direction, [cases, draws].
        cases: whose y is the drift (or level) of the scores; their x does not count.
        r: r of the trait's vector.
    """
    if not len(cases):
        return Control(0, None, None, None, None, "there are no scored responses")
    centred = cases.centred(projections) - projections.mean(axis=0)
    y = cases.centred(cases.y) - cases.y.mean()
    x_square = np.square(centred).sum(axis=0)
    return _summary(centred.T @ y, x_square, float(y @ y), len(y), r)


def _summary(
    product: Floats, x_square: Floats, y_square: float, count: int, r: float | None
) -> Control:
    defined = x_square > 0
    if count < 3 or y_square <= 0 or not defined.any():
        return Control(0, None, None, None, None, "r is undefined for these responses")
    rs = product[defined] / np.sqrt(x_square[defined] * y_square)
    low, high = np.quantile(rs, [0.025, 0.975])
    p = None if r is None else (1 + int((np.abs(rs) >= abs(r) - 1e-12).sum())) / (len(rs) + 1)
    return Control(len(rs), float(low), float(high), float(np.median(np.abs(rs))), p)

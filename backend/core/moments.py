"""Inner products that let any prompt-built vector be scored without touching activations again.

With P (n x d) the prompts of a trait and R (N x d) the responses, a vector v = P'w projects the
responses to R v / ||v|| = A w / sqrt(w'Gw), where G = PP' and A = RP'. With D the centred rows
that enter a correlation and y the centred behaviour, S = D'D and b = D'y give
r = w'b / sqrt(w'Sw y'y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson_from_sums


@dataclass(frozen=True)
class Moments:
    """Everything r of any weights depends on, for one (trait, layer).

    Attributes:
        s: S = D'D, [n, n], activation units to the fourth.
        b: b = D'y, [n], activation squared times score.
        y_square: y'y, score units squared.
        count: number of scenarios (rows of D).
        rounding: largest mean square of any column of A, the scale below which S is rounding.
    """

    s: Floats
    b: Floats
    y_square: float
    count: int
    rounding: float


def moments(
    alignment: Floats, first: NDArray[np.intp] | None, last: NDArray[np.intp], behaviour: Floats
) -> Moments:
    """S, b and y'y of one trait at one layer.

    Args:
        alignment: A = RP', [N, n].
        first: rows of A at t1, one per scenario; None for levels, when ``last`` alone counts.
        last: rows of A at tN (drift) or of the single response (level), [scenarios].
        behaviour: drift or level of the score, [scenarios].
    """
    rows = alignment[last] if first is None else alignment[last] - alignment[first]
    if len(rows) == 0:
        n = alignment.shape[1]
        return Moments(np.zeros((n, n)), np.zeros(n), 0.0, 0, 0.0)
    centred = rows - rows.mean(axis=0)
    y = behaviour - behaviour.mean()
    y_square = float(y @ y)
    if np.abs(y).max() <= 1e-12 * np.abs(behaviour).max():
        y_square = 0.0
    return Moments(
        s=centred.T @ centred,
        b=centred.T @ y,
        y_square=y_square,
        count=len(rows),
        rounding=float(np.square(alignment[last]).sum(axis=0).max()),
    )


def correlation_of_weights(weights: Floats, m: Moments) -> Estimate:
    """r of the projections along P'w with the behaviour, with interval and p.

    Args:
        weights: w, [n]; its length does not matter.
        m: moments of the cell.
    """
    x_square = float(weights @ m.s @ weights)
    # Projections that do not vary leave S at rounding level, not at exactly zero.
    floor = 1e-24 * m.rounding * float(np.abs(weights).sum()) ** 2
    if x_square <= floor:
        x_square = 0.0
    return pearson_from_sums(float(weights @ m.b), x_square, m.y_square, m.count)

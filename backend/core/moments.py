"""Inner products that let any prompt-built vector be scored without touching activations again.

With P (n x d) the prompts of a trait and R (N x d) the responses, a vector v = P'w projects the
responses to R v / ||v|| = A w / sqrt(w'Gw), where G = PP' and A = RP'. With D the centred rows
that enter a correlation and y the centred behaviour, S = D'D and b = D'y give
r = w'b / sqrt(w'Sw y'y).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from backend.core.arrays import Bools, Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import EFFECTIVE_Z, Estimate
from backend.core.statistics.clustered import (
    LEAST_GROUPS,
    effective_of,
    quantile_over,
    too_few_groups,
)
from backend.core.statistics.correlation import pearson_from_sums, with_z_error


@dataclass(frozen=True)
class Moments:
    """Everything r of any weights depends on, for one (trait, layer).

    Attributes:
        s: S = D'D, [n, n], activation units to the fourth.
        b: b = D'y, [n], activation squared times score.
        y_square: y'y, score units squared.
        count: number of cases (rows of D).
        rounding: largest mean square of any column of A, the scale below which S is rounding.
        effective: number of independent cases that would be as sure of r: less than ``count``
            where cases are dependent, or have several responders' means taken off.
        groups: number of groups that dependent cases come in; None where they are independent.
    """

    s: Floats
    b: Floats
    y_square: float
    count: int
    rounding: float
    effective: float
    groups: int | None = None

    def of(self, members: Integers | Bools) -> Moments:
        """The moments of some of the prompts.

        Args:
            members: their positions, or a mask.
        """
        places = np.arange(len(self.b))[members]
        return dataclasses.replace(self, s=self.s[np.ix_(places, places)], b=self.b[places])

    @property
    def z_half(self) -> float:
        """Half the width of the 95% interval of Fisher's z; NaN where there are too few cases."""
        if self.effective < 4 or (self.groups is not None and self.groups < LEAST_GROUPS):
            return math.nan
        normal = float(special.ndtri(0.975))
        quantile = normal if self.groups is None else quantile_over(self.groups)
        return quantile / math.sqrt(self.effective - 3)


def moments(
    alignment: Floats,
    first: NDArray[np.intp] | None,
    last: NDArray[np.intp],
    cases: Cases,
    weights: Floats | None = None,
) -> Moments:
    """S, b and y'y of one trait at one layer, within responders.

    Args:
        alignment: A = RP', [N, n].
        first: rows of A at t1, one per scenario; None for levels, when ``last`` alone counts.
        last: rows of A at tN (drift) or of the single response (level), [scenarios].
        cases: whose y is the drift or level of the score; their x does not count.
        weights: w of the vector that says how many independent cases dependent ones are worth,
            [n]; without one they count as if they were independent.
    """
    behaviour = cases.y
    rows = alignment[last] if first is None else alignment[last] - alignment[first]
    if len(rows) == 0:
        n = alignment.shape[1]
        return Moments(np.zeros((n, n)), np.zeros(n), 0.0, 0, 0.0, 0.0)
    effective = float(len(rows) - cases.absorbed)
    if weights is not None and cases.dependent:
        effective = effective_of(cases.with_x(rows @ weights))
    rows, inner = cases.centred(rows), cases.centred(behaviour)
    centred = rows - rows.mean(axis=0)
    y = inner - inner.mean()
    y_square = float(y @ y)
    if np.abs(y).max() <= 1e-12 * np.abs(behaviour).max():
        y_square = 0.0
    return Moments(
        s=centred.T @ centred,
        b=centred.T @ y,
        y_square=y_square,
        count=len(rows),
        rounding=float(np.square(alignment[last]).sum(axis=0).max()),
        effective=effective,
        groups=cases.group_count if cases.dependent else None,
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
    plain = pearson_from_sums(
        float(weights @ m.b), x_square, m.y_square, m.count, round(m.count - m.effective)
    )
    if m.groups is None or plain.value is None:
        return plain
    if math.isnan(m.z_half):
        why = too_few_groups(m.groups)
        return Estimate(plain.value, None, None, None, m.count, why, groups=m.groups)
    error = 1 / math.sqrt(m.effective - 3)
    return with_z_error(plain.value, error, m.count, m.groups, m.effective, EFFECTIVE_Z)

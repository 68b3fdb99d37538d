"""Each high prompt against each low one, along the vector built without the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, flat, parts
from backend.core.pole_cells import PoleCells


@dataclass(frozen=True)
class PairDifferences:
    """(x_i - x_j) . v_ij / ||v_ij|| for every high i and low j, v_ij built without i and j.

    Attributes:
        values: [C, m_high * m_low], activation units; zero where padded, and all of them in a
            cell where some v_ij is zero.
        pairs: which of them are pairs of prompts and not padding, of the same shape.
        padded: whether there is any padding.
        count: number of pairs, [C]; at least 1, so that one can divide by it.
        zero: whether some v_ij is zero, [C].
    """

    values: Floats
    pairs: Bools
    padded: bool
    count: Floats
    zero: Bools


def pair_differences(
    high: PoleCells, low: PoleCells, cross: Floats, high_to_low: Floats, low_to_high: Floats
) -> PairDifferences:
    """Every high prompt against every low one.

    Args:
        high: the high pole's prompts.
        low: the low pole's.
        cross: x_i . x_j of every high i and low j, [C, m_high, m_low].
        high_to_low: x_i . (sum of the low prompts), [C, m_high].
        low_to_high: x_j . (sum of the high prompts), [C, m_low].
    """
    values, zero = np.empty_like(cross), np.zeros(len(cross), bool)
    for part in parts(len(cross), cross.shape[1] * cross.shape[2]):
        zero[part] = _differ(
            high, low, part, cross[part], high_to_low[part], low_to_high[part], values[part]
        )
    pairs = high.members[:, :, None] & low.members[:, None, :]
    return PairDifferences(
        values=flat(values),
        pairs=pairs.reshape(len(pairs), pairs.shape[1] * pairs.shape[2]),
        padded=high.padded or low.padded,
        count=high.count * low.count,
        zero=zero,
    )


def _differ(
    high: PoleCells,
    low: PoleCells,
    part: slice,
    cross: Floats,
    high_to_low: Floats,
    low_to_high: Floats,
    along: Floats,
) -> Bools:
    """Write the pair differences of some cells into ``along``; return which have a zero v_ij."""
    less_high = np.maximum(high.prompts[part] - 1.0, 1.0)[:, None, None]
    less_low = np.maximum(low.prompts[part] - 1.0, 1.0)[:, None, None]
    high_sums, high_squares = high.sums[part], high.squares[part]
    low_sums, low_squares = low.sums[part], low.squares[part]
    # x_i . v_ij and x_j . v_ij: sums over a pole, less the prompt left out. No arrays are larger
    # than these, so they are worked on in place.
    np.subtract(high_to_low[:, :, None], cross, out=along)
    along /= less_low
    np.subtract((high_sums - high_squares)[:, :, None] / less_high, along, out=along)
    other = low_to_high[:, None, :] - cross
    other /= less_high
    other -= (low_sums - low_squares)[:, None, :] / less_low
    along -= other
    # ||v_ij||^2: the squares of the two poles' sums without i and j, less twice their product.
    high_square = high_sums.sum(axis=1)[:, None] - 2 * high_sums + high_squares
    low_square = low_sums.sum(axis=1)[:, None] - 2 * low_sums + low_squares
    if high.padded or low.padded:
        # Divided by an infinite length, what is no pair differs by zero.
        high_square = np.where(high.members[part], high_square, np.inf)
        low_square = np.where(low.members[part], low_square, np.inf)
    square = high_square[:, :, None] / less_high**2 + low_square[:, None, :] / less_low**2
    product = np.subtract(
        (high_to_low.sum(axis=1)[:, None] - high_to_low)[:, :, None],
        low_to_high[:, None, :],
        out=other,
    )
    product += cross
    product /= 0.5 * less_high * less_low
    square -= product
    zero: Bools = flat(square).min(axis=1) <= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        along /= np.sqrt(square, out=square)
    along[zero] = 0.0
    return zero

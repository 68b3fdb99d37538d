"""Each high prompt against each low one, along the vector built without the two.

Prompts that belong to a pair share what the pair has in common, such as a question. What is left in
the vector of it points against the prompt that is held out, so whole pairs are left out: without
that, the held-out AUROC of pure noise lies below 0.5.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, Integers, flat, parts
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
        few: whether some v_ij, built without whole pairs, has no prompts of a pole left, [C].
    """

    values: Floats
    pairs: Bools
    padded: bool
    count: Floats
    zero: Bools
    few: Bools


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
        few=np.zeros(len(cross), bool),
    )


def without_pairs(
    found: PairDifferences, gram: Floats, high: PoleCells, low: PoleCells, pairs: Integers
) -> PairDifferences:
    """The same of cells with pairs, where v_ij is built without every prompt of i's or j's pair.

    Args:
        found: of the same cells, as if their prompts came in no pairs; kept where a cell has none.
        gram: G, [C, n, n].
        high: the high pole's prompts.
        low: the low pole's.
        pairs: pair of each prompt, -1 for none, [C, n].
    """
    shape = high.members.shape[1], low.members.shape[1]
    values = found.values.copy().reshape(-1, *shape)
    zero, few = found.zero.copy(), found.few.copy()
    for cell in range(len(gram)):
        i = high.rows[cell, high.members[cell]]
        j = low.rows[cell, low.members[cell]]
        if not len(i) or not len(j) or (pairs[cell, np.concatenate([i, j])] < 0).all():
            continue
        own, square, left = _differ_without(gram[cell], i, j, pairs[cell])
        few[cell] = left < 1
        zero[cell] = not few[cell] and square.min() <= 0
        known = not few[cell] and not zero[cell]
        values[cell] = 0.0
        values[cell, : len(i), : len(j)] = own / np.sqrt(square) if known else 0.0
    return dataclasses.replace(found, values=flat(values), zero=zero, few=few)


def _differ_without(
    gram: Floats, i: Integers, j: Integers, pairs: Integers
) -> tuple[Floats, Floats, float]:
    """(x_i - x_j) . v_ij and ||v_ij||^2 of one cell, both [high, low], and how many prompts the
    smallest pole behind any v_ij has; without meaning where that is none."""
    both = np.concatenate([i, j])
    # A prompt without a pair is a block of its own.
    alone = -1 - np.arange(len(both))
    names, block = np.unique(np.where(pairs[both] < 0, alone, pairs[both]), return_inverse=True)
    of = np.zeros((len(both), len(names)))
    of[np.arange(len(both)), block] = 1.0
    first = (np.arange(len(both)) < len(i))[:, None]
    poles = (of * first, of * ~first)
    own = gram[np.ix_(both, both)]
    # Products of each prompt with the sums of each pole's prompts by block, [both, blocks].
    products = [own @ pole for pole in poles]
    a, b = block[: len(i), None], block[None, len(i) :]
    fewest: list[float] = []
    other = a != b  # i and j of one pair: only one block to leave out
    counts: list[Floats] = []
    along = np.zeros((len(i), len(j)))
    for pole, product, sign in zip(poles, products, (1.0, -1.0), strict=True):
        size = pole.sum(axis=0)
        count = size.sum() - size[a] - other * size[b]
        fewest.append(float(count.min()))
        counts.append(np.maximum(count, 1.0))
        of_i, of_j = product[: len(i)], product[len(i) :]
        rows, columns = np.arange(len(i))[:, None], np.arange(len(j))[None, :]
        at_i = of_i.sum(axis=1)[:, None] - of_i[rows, a] - other * of_i[rows, b]
        at_j = of_j.sum(axis=1)[None, :] - of_j[columns, a] - other * of_j[columns, b]
        along += sign * (at_i - at_j) / counts[-1]
    square = np.zeros_like(along)
    for p, q, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -2.0)):
        blocks = poles[p].T @ products[q]
        cross = blocks.sum(axis=1) + blocks.sum(axis=0)
        inner = blocks.sum() - cross[a] + blocks[a, a]
        inner = inner + other * (blocks[b, b] + blocks[a, b] + blocks[b, a] - cross[b])
        square += sign * inner / (counts[p] * counts[q])
    return along, square, min(fewest)


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

"""One pole of many cells: its prompts gathered side by side, so that metrics work on blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import ROUNDING, Bools, Floats, flat, parts


@dataclass(frozen=True)
class PoleCells:
    """One pole of each cell, its prompts gathered side by side and padded to the largest pole.

    Sums over a pole run over its own block in the prompts' order: a cell without padding is
    summed in the same order alone and in a batch.

    Attributes:
        rows: positions of the pole's prompts in the cell, [C, m]; arbitrary where padded.
        members: which of them are prompts and not padding, [C, m].
        gram: G of the pole, [C, m, m]; zero where padded.
        sums: x_i . (sum of the pole's prompts), [C, m].
    """

    rows: NDArray[np.intp]
    members: Bools
    gram: Floats
    sums: Floats

    @cached_property
    def padded(self) -> bool:
        """Whether any cell has fewer prompts in this pole than another."""
        return not bool(self.members.all())

    @cached_property
    def prompts(self) -> NDArray[np.intp]:
        """Number of prompts, [C]."""
        prompts: NDArray[np.intp] = self.members.sum(axis=1)
        return prompts

    @cached_property
    def count(self) -> Floats:
        """Number of prompts to divide by, [C]; 1 for an empty pole, which has no metrics."""
        return np.maximum(self.prompts, 1).astype(np.float64)

    @cached_property
    def squares(self) -> Floats:
        """||x_i||^2, [C, m], activation units squared."""
        return np.ascontiguousarray(np.einsum("cii->ci", self.gram))

    @cached_property
    def norms(self) -> Floats:
        """||x_i||, [C, m], activation units."""
        # Removing components can leave -1e-17 of a row that lay in them.
        norms: Floats = np.sqrt(np.maximum(self.squares, 0.0))
        return norms

    @cached_property
    def mean_square(self) -> Floats:
        """||mu||^2, [C], activation units squared."""
        mean_square: Floats = _totals(self.gram) / np.square(self.count)
        return mean_square

    @cached_property
    def square_mean(self) -> Floats:
        """Mean ||x_i||^2, [C], activation units squared."""
        square_mean: Floats = self.squares.sum(axis=1) / self.count
        return square_mean

    @cached_property
    def trace(self) -> Floats:
        """Trace of the population covariance, [C], activation units squared, >= 0.

        mean ||x_i||^2 - ||mu||^2. What rounding leaves of identical prompts is zero.
        """
        trace = self.square_mean - self.mean_square
        return np.where(trace > ROUNDING * self.square_mean, trace, 0.0)


@dataclass(frozen=True)
class Gathered:
    """Each cell's prompts side by side, those of the high pole first.

    Attributes:
        rows: their positions in the cell, [C, m]; arbitrary where padded.
        members: which of them are prompts and not padding, [C, m].
        gram: G in this order, [C, m, m]; zero where padded.
        first: how many places the high pole has.
        to_high: x_i . (sum of the high prompts), [C, m].
        to_low: x_i . (sum of the low prompts), [C, m].
    """

    rows: NDArray[np.intp]
    members: Bools
    gram: Floats
    first: int
    to_high: Floats
    to_low: Floats

    def pole(self, high: bool) -> PoleCells:
        """One pole's prompts."""
        part = slice(0, self.first) if high else slice(self.first, None)
        return PoleCells(
            rows=self.rows[:, part],
            members=self.members[:, part],
            gram=np.ascontiguousarray(self.gram[:, part, part]),
            sums=np.ascontiguousarray((self.to_high if high else self.to_low)[:, part]),
        )


def gather(gram: Floats, high: Bools, low: Bools) -> Gathered:
    """Put each cell's prompts side by side.

    Args:
        gram: G, [C, n, n].
        high: prompts of the high pole, [C, n].
        low: prompts of the low pole, [C, n].
    """
    cells, n = high.shape
    (high_rows, high_there), (low_rows, low_there) = _members(high), _members(low)
    rows = np.concatenate([high_rows, low_rows], axis=1)
    members = np.concatenate([high_there, low_there], axis=1)
    first, most = high_rows.shape[1], rows.shape[1]
    in_order = bool(members.all()) and most == n and bool((rows == np.arange(n)).all())
    ordered = gram if in_order else np.empty((cells, most, most))
    to_high, to_low = np.empty((cells, most)), np.empty((cells, most))
    there = members.astype(np.float64)
    for part in parts(cells, most * most):
        if not in_order:
            places = np.arange(cells)[part, None, None] * n + rows[part, :, None]
            taken = np.take(gram, places * n + rows[part, None, :])
            taken *= there[part, :, None]
            np.multiply(taken, there[part, None, :], out=ordered[part])
        # Sums over a row, one term after the other, so that zeros of padding change no digit:
        # numpy adds the rows of a block in order, but along a row in pairs.
        columns = np.ascontiguousarray(ordered[part].swapaxes(1, 2))
        columns[:, :first].sum(axis=1, out=to_high[part])
        columns[:, first:].sum(axis=1, out=to_low[part])
    return Gathered(rows, members, ordered, first, to_high, to_low)


def _members(pole: Bools) -> tuple[NDArray[np.intp], Bools]:
    """Positions of a pole's prompts, padded to the largest pole, and which are no padding."""
    prompts = pole.sum(axis=1)
    places = np.arange(max(1, int(prompts.max(initial=0)))) < prompts[:, None]
    rows = np.zeros(places.shape, np.intp)
    rows[places] = np.nonzero(pole)[1]
    return rows, places


def _totals(blocks: Floats) -> Floats:
    """Sum of each cell's block, [C]."""
    totals: Floats = flat(blocks).sum(axis=1)
    return totals

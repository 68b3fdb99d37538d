"""Many cells at once: their inner products stacked, so that one pass handles a whole study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats, Integers
from backend.core.moments import Moments


@dataclass(frozen=True)
class CellStack:
    """C cells of up to n prompts each, padded with absent prompts.

    Attributes:
        gram: G = PMP' of each cell, [C, n, n]; zero in rows and columns of absent prompts.
        high: [C, n], True for present prompts of the high pole.
        low: [C, n], True for present prompts of the low pole.
        s: S = D'D, [C, n, n].
        b: b = D'y, [C, n].
        y_square: y'y, [C].
        count: cases behind r, [C].
        groups: number of groups that dependent cases come in, [C]; 0 where they are independent.
        effective: number of independent cases they are worth for the cell's mean difference, [C].
        z_half: half the width of the 95% interval of Fisher's z, [C]; NaN where there is none.
        rounding: scale below which S is rounding, [C].
        width: d, the number of coordinates of an activation; [C] where cells differ in it.
        pairs: number of the pair that each prompt belongs to, -1 for none, [C, n]; None where no
            cell's prompts come in pairs.
    """

    gram: Floats
    high: Bools
    low: Bools
    s: Floats
    b: Floats
    y_square: Floats
    count: Floats
    groups: NDArray[np.intp]
    effective: Floats
    z_half: Floats
    rounding: Floats
    width: int | Floats
    pairs: Integers | None = None

    def __len__(self) -> int:
        return len(self.gram)


def take(cells: CellStack, chosen: NDArray[np.intp]) -> CellStack:
    """Some cells of a stack.

    Args:
        cells: the stack.
        chosen: positions of the wanted cells.
    """
    width = cells.width if isinstance(cells.width, int) else cells.width[chosen]
    return CellStack(
        cells.gram[chosen],
        cells.high[chosen],
        cells.low[chosen],
        cells.s[chosen],
        cells.b[chosen],
        cells.y_square[chosen],
        cells.count[chosen],
        cells.groups[chosen],
        cells.effective[chosen],
        cells.z_half[chosen],
        cells.rounding[chosen],
        width,
        None if cells.pairs is None else cells.pairs[chosen],
    )


def stack(
    grams: Sequence[Floats],
    highs: Sequence[Bools],
    moments: Sequence[Moments],
    width: int | Floats,
    pairs: Sequence[Integers | None] = (),
) -> CellStack:
    """Stack cells, padding those with fewer prompts.

    Args:
        grams: G of each cell, [n_c, n_c].
        highs: [n_c] of each cell, True for the high pole.
        moments: S, b and y'y of each cell.
        width: d, one for all or one per cell.
        pairs: pair of each prompt of each cell, [n_c], -1 for none; None for a cell without any.
    """
    cells, n = len(grams), max((len(high) for high in highs), default=0)
    gram, s = np.zeros((cells, n, n)), np.zeros((cells, n, n))
    high, low = np.zeros((cells, n), bool), np.zeros((cells, n), bool)
    b = np.zeros((cells, n))
    for c, (g, h, m) in enumerate(zip(grams, highs, moments, strict=True)):
        size = len(h)
        gram[c, :size, :size], s[c, :size, :size], b[c, :size] = g, m.s, m.b
        high[c, :size], low[c, :size] = h, ~h
    numbers = None
    if any(own is not None for own in pairs):
        numbers = np.full((cells, n), -1, np.intp)
        for c, own in enumerate(pairs):
            if own is not None:
                numbers[c, : len(own)] = own
    return CellStack(
        gram=gram,
        high=high,
        low=low,
        s=s,
        b=b,
        y_square=np.array([m.y_square for m in moments], np.float64),
        count=np.array([m.count for m in moments], np.float64),
        groups=np.array([m.groups or 0 for m in moments], np.intp),
        effective=np.array([m.effective for m in moments], np.float64),
        z_half=np.array([m.z_half for m in moments], np.float64),
        rounding=np.array([m.rounding for m in moments], np.float64),
        width=width,
        pairs=numbers,
    )

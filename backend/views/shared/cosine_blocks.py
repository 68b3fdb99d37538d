"""Cosines between many prompts as the means of blocks, so that a heatmap stays small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.types import POLES, Pole

# Squares along a side: finer than what a screen of 420 to 520 pixels can show apart.
MOST = 240


@dataclass(frozen=True, eq=False)
class CosineBlocks:
    """Mean cosine of every pair of blocks of prompts that stand next to each other.

    Attributes:
        means: [B, B] over pairs of two different prompts; NaN without a defined one.
        edges: prompt at which each block begins, and the number of prompts, [B + 1].
        size: prompts of a block, but of the last one of a pole, which may have fewer.
    """

    means: Floats
    edges: tuple[int, ...]
    size: int

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """(first prompt, prompt after the last) of every block."""
        return tuple(zip(self.edges[:-1], self.edges[1:], strict=True))

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest mean; -1 and 1 where none is defined."""
        finite = self.means[np.isfinite(self.means)]
        return (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)

    def place(self, prompt: int) -> float:
        """Where on an axis of blocks, whose first is centred on 0, a prompt begins."""
        return float(np.interp(prompt, self.edges, np.arange(len(self.edges)))) - 0.5

    @property
    def note(self) -> str:
        """What a square is, where it is not one pair of prompts; else empty."""
        if self.size == 1:
            return ""
        return (
            f" There are {self.edges[-1]:,} prompts: each square is the mean of up to "
            f"{self.size} × {self.size} pairs that stand next to each other in this order."
        )


def cosine_blocks(cosines: Floats, poles: Sequence[Pole], most: int = MOST) -> CosineBlocks:
    """Cosines between prompts by blocks; with few prompts every prompt is a block of its own.

    Args:
        cosines: [n, n], NaN where undefined.
        poles: of the prompts, those of the high pole first; no block holds two poles.
        most: blocks along a side, about.
    """
    count = len(poles)
    size = max(1, -(-count // most))
    highs = sum(pole == POLES[0] for pole in poles)
    starts = [*range(0, highs, size), *range(highs, count, size)]
    apart = np.where(np.eye(count, dtype=bool), np.nan, cosines)
    if size == 1:
        return CosineBlocks(apart, (*starts, count), size)
    defined = np.isfinite(apart)
    sums, counts = (
        np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1)
        for values in (np.where(defined, apart, 0.0), defined.astype(np.float64))
    )
    means = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return CosineBlocks(means, (*starts, count), size)

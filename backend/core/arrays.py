"""Names for arrays of numbers, what tells one from another, what in them is rounding, and how many
to work on at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Bools = NDArray[np.bool_]

# A difference of two sums below this share of them is rounding.
ROUNDING = 1e-14
# Numbers that are worked on at a time, so that they stay in a processor's cache.
CACHED = 2**18


def refuse_not_finite(**values: NDArray[np.floating] | float) -> None:
    """The boundary of everything that counts: what is no number never becomes one.

    Comparisons with NaN are false and ``max(-1, min(1, nan))`` is 1, so a statistic that let one in
    could give any number. Activations are seen to be finite where they are pooled, scores where
    they are imported; whoever calls a statistic leaves out what is missing.

    Args:
        values: by name, for people.

    Raises:
        ValueError: one is or holds NaN or infinity.
    """
    for name, value in values.items():
        bad = int(np.count_nonzero(~np.isfinite(value)))
        if bad:
            raise ValueError(f"{name} holds {bad} values that are not finite: leave them out first")


def digest_of(values: Floats) -> str:
    """What tells an array from any other of its shape: sha256 of its numbers, as hex digits.

    Args:
        values: float64, of any shape.
    """
    return hashlib.sha256(np.ascontiguousarray(values, dtype=np.float64).tobytes()).hexdigest()


def flat(blocks: Floats) -> Floats:
    """Each cell's block as one row, [C, m, k] -> [C, m k]."""
    cells, rows, columns = blocks.shape
    return blocks.reshape(cells, rows * columns)


def parts(cells: int, numbers: int) -> Iterator[slice]:
    """Slices of all cells, each small enough for a processor's cache.

    Args:
        cells: how many cells there are.
        numbers: how many numbers each has.
    """
    step = max(1, CACHED // max(1, numbers))
    return (slice(start, start + step) for start in range(0, cells, step))

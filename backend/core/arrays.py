"""Names for arrays of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Bools = NDArray[np.bool_]

# A difference of two sums below this share of them is rounding.
ROUNDING = 1e-14
# Cells that are worked on at a time, so that their numbers stay in a processor's cache.
CACHED = 96


def flat(blocks: Floats) -> Floats:
    """Each cell's block as one row, [C, m, k] -> [C, m k]."""
    cells, rows, columns = blocks.shape
    return blocks.reshape(cells, rows * columns)

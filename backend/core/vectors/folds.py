"""Folds that keep all responses of a scenario together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools


def grouped_folds(groups: NDArray[np.intp], count: int, seed: int) -> list[Bools]:
    """Masks of the held-out cases of each fold; every group is held out in exactly one.

    Args:
        groups: [n], group of each case as 0..k-1.
        count: number of folds; fewer if there are fewer groups.
        seed: of the assignment.
    """
    names = np.unique(groups)
    shuffled = np.random.default_rng(seed).permutation(names)
    return [np.isin(groups, part) for part in np.array_split(shuffled, min(count, len(names)))]

"""Families of tests: Benjamini and Hochberg's false discovery rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted p of each test; rejecting those <= q keeps the false discovery rate at q.

    Args:
        ps: two-sided p of each test; None where a test is undefined, and such tests do not count.

    Returns:
        Adjusted p in [0, 1], in the same order, None where p is None. Source: Benjamini and
        Hochberg 1995, J. R. Stat. Soc. B 57: 289-300.
    """
    defined = [i for i, p in enumerate(ps) if p is not None]
    adjusted: list[float | None] = [None] * len(ps)
    if not defined:
        return adjusted
    found = stats.false_discovery_control(np.array([ps[i] for i in defined], dtype=np.float64))
    for i, value in zip(defined, found, strict=True):
        adjusted[i] = float(value)
    return adjusted

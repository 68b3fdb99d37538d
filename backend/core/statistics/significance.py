"""Whether a difference is told from zero once many were tested."""

from __future__ import annotations

from typing import Literal

from backend.core.estimate import Estimate

Significance = Literal["higher", "not shown", "lower", "undefined"]


def significance(
    difference: Estimate, adjusted_p: float | None, level: float = 0.05
) -> Significance:
    """Whether a difference is told from zero, and on which side it lies.

    Args:
        difference: of two r.
        adjusted_p: its p adjusted for all tests of its family; None where undefined.
        level: false discovery rate.
    """
    if difference.value is None or adjusted_p is None:
        return "undefined"
    if adjusted_p >= level:
        return "not shown"
    return "higher" if difference.value > 0 else "lower"

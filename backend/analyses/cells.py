"""The cells of a study as its tables print them: one row per model and trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.geometry.prompt_space import Floats


@dataclass(frozen=True)
class CellRow:
    """One model and trait at its best layer (study, "Raw Data").

    Attributes:
        model: the model.
        trait: the trait.
        layer: the best layer.
        r: r at that layer.
        separation: ||v||, activation units.
        high_within_variance: activation units squared.
        low_within_variance: activation units squared.
        high_cosine: mean cosine of the high prompts.
        low_cosine: mean cosine of the low prompts.
        snr: separation over the mean within-class variance, 1 / activation unit.
    """

    model: str
    trait: str
    layer: int
    r: float
    separation: float
    high_within_variance: float
    low_within_variance: float
    high_cosine: float
    low_cosine: float
    snr: float


def models_of(rows: Sequence[CellRow]) -> tuple[str, ...]:
    """Models in order of first appearance."""
    return tuple(dict.fromkeys(row.model for row in rows))


def column(rows: Sequence[CellRow], name: str) -> Floats:
    """One column of the rows, [cells]."""
    return np.array([getattr(row, name) for row in rows], np.float64)

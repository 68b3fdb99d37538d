"""The cells of a study as its tables print them: one row per model and trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats


@dataclass(frozen=True)
class StudyCell:
    """One model and trait at its best layer (study, "Raw Data"). None where undefined.

    Attributes:
        model: the model.
        trait: the trait.
        layer: the best layer.
        r: Pearson's r at that layer.
        separation: ||v||, activation units.
        high_within_variance: activation units squared.
        low_within_variance: activation units squared.
        high_cosine: mean cosine of the high prompts.
        low_cosine: mean cosine of the low prompts.
        snr: separation over the mean within-class variance, 1 / activation unit.
        rho: Spearman's rank correlation at that layer.
        behaviour_sd: standard deviation of the behaviour (score drift or level), score units.
        spread: mean over the poles of trace(cov) / ||mean||^2, scale-free.
        norm: mean norm of the prompts, activation units.
    """

    model: str
    trait: str
    layer: int | None
    r: float | None
    separation: float | None
    high_within_variance: float | None
    low_within_variance: float | None
    high_cosine: float | None
    low_cosine: float | None
    snr: float | None
    rho: float | None = None
    behaviour_sd: float | None = None
    spread: float | None = None
    norm: float | None = None


def models_of(rows: Sequence[StudyCell]) -> tuple[str, ...]:
    """Models in order of first appearance."""
    return tuple(dict.fromkeys(row.model for row in rows))


def having(rows: Sequence[StudyCell], *names: str) -> list[StudyCell]:
    """The rows in which all the named columns are defined."""
    return [row for row in rows if all(getattr(row, name) is not None for name in names)]


def column(rows: Sequence[StudyCell], name: str) -> Floats:
    """One column of rows in which it is defined, [cells]."""
    return np.array([getattr(row, name) for row in rows], np.float64)


def model_dummies(rows: Sequence[StudyCell]) -> Floats:
    """Indicators of all models but the first, [cells, models - 1]."""
    models = models_of(rows)[1:]
    if not models:
        return np.zeros((len(rows), 0))
    return np.array([[float(row.model == model) for model in models] for row in rows])

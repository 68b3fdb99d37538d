"""Metrics of the contrast between the poles: the vector v = mu_H - mu_L and its coordinates."""

from __future__ import annotations

import math

import numpy as np

from backend.core.cases import Floats
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import PromptSpace
from backend.core.geometry.within_pole import trace_of_covariance

NO_SEPARATION = "the two poles have the same mean, so the vector is zero"


def separation_value(space: PromptSpace) -> float:
    """||v||, activation units, >= 0."""
    w = space.weights
    return math.sqrt(max(0.0, float(w @ space.gram @ w)))


def separation(space: PromptSpace) -> Measure:
    """Separation ||mu_H - mu_L||. Activation units; range [0, inf). Source: study (Sep)."""
    return Measure(separation_value(space))


def snr(space: PromptSpace) -> Measure:
    """Separation divided by the mean of the two within-class variances.

    Units 1/activation: multiplying all activations by ten divides it by ten, so it cannot
    compare models. Range [0, inf). Undefined without within-class variance. Source: study (SNR).
    """
    variance = _mean_trace(space) / space.width
    if variance <= 0:
        return Measure.undefined("both poles have no within-class variance")
    return Measure(separation_value(space) / variance)


def fisher_ratio(space: PromptSpace) -> Measure:
    """||v||^2 divided by the mean of the two poles' traces of covariance.

    Scale-free; range [0, inf). Undefined without within-class variance.
    """
    trace = _mean_trace(space)
    if trace <= 0:
        return Measure.undefined("both poles have no within-class variance")
    return Measure(separation_value(space) ** 2 / trace)


def dominance(space: PromptSpace) -> Measure:
    """Largest v_j^2 / ||v||^2: the share of the vector held by its largest coordinate.

    Scale-free; range [1/d, 1]. Undefined if v is zero. Depends on the model's coordinate basis,
    not on lengths and angles alone.
    """
    squares = _squares(space)
    if squares.sum() <= 0:
        return Measure.undefined(NO_SEPARATION)
    return Measure(float(squares.max() / squares.sum()))


def dominant_coordinate(space: PromptSpace) -> Measure:
    """Index j of the coordinate with the largest v_j^2, counted from 0. Undefined if v is zero."""
    squares = _squares(space)
    if squares.sum() <= 0:
        return Measure.undefined(NO_SEPARATION)
    return Measure(float(np.argmax(squares)))


def participation_ratio(space: PromptSpace) -> Measure:
    """(sum v_j^2)^2 / sum v_j^4: how many coordinates the vector effectively uses.

    Scale-free; range [1, d]. Undefined if v is zero.
    """
    squares = _squares(space)
    if squares.sum() <= 0:
        return Measure.undefined(NO_SEPARATION)
    shares = squares / squares.sum()
    return Measure(float(1.0 / np.square(shares).sum()))


def _mean_trace(space: PromptSpace) -> float:
    return 0.5 * (
        trace_of_covariance(space.pole(high=True)) + trace_of_covariance(space.pole(high=False))
    )


def _squares(space: PromptSpace) -> Floats:
    if space.vector is None:
        raise ValueError("metrics about single coordinates need PromptSpace.vector")
    squares: Floats = np.square(space.vector)
    return squares

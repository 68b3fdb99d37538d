"""Prompts whose separation, within-class variances and cosines are the printed ones.

A prompt is k (h m + b v + s e): a common part along m, its pole's part along v, a residual e of
its own, and a factor k that is 1 unless it is an outlier of length. The five numbers h, b of
either pole and s of either pole are solved so that the five printed figures come out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.study_cell import StudyCell

PROMPTS = 5  # per pole, as in the study
# Share of a pole's within-class variance that its outlier accounts for.
OUTLIER_SHARE = 0.8
# A prompt of outlying length: its factor, and how far it leans to the side.
LONG, ASIDE = 2.8, 1.2


@dataclass(frozen=True)
class Residuals:
    """Residuals of the prompts of both poles, before scaling.

    Attributes:
        high: [PROMPTS, d].
        low: [PROMPTS, d].
        factors: of the prompts' lengths, high first, [2 * PROMPTS].
    """

    high: Floats
    low: Floats
    factors: Floats


def residuals(cause: str, own: Floats, structure: Floats, rng: np.random.Generator) -> Residuals:
    """Residuals of one cell: noise without a mean, and the outliers that the cause plants.

    Args:
        cause: what is planted; outliers of direction lie along ``own`` in one prompt of either
            pole, to opposite sides; so do outliers of length, which lean that way only a little.
        own: direction that belongs to this cell, [d].
        structure: directions that mean something, orthonormal; noise has no part of them, [k, d].
        rng: source of randomness.
    """
    noise = rng.normal(size=(2, PROMPTS, structure.shape[1]))
    noise -= noise @ structure.T @ structure
    noise -= noise.mean(axis=1, keepdims=True)
    noise /= np.sqrt(np.square(noise).sum(axis=2).mean(axis=1))[:, None, None]
    chosen, side = rng.integers(PROMPTS, size=2), rng.choice([-1.0, 1.0])
    factors = np.ones(2 * PROMPTS)
    if cause == "direction_outliers":
        # One of n deviates by x: the variance about the mean is x^2 (n - 1) / n^2.
        deviation = math.sqrt(OUTLIER_SHARE * PROMPTS**2 / (PROMPTS - 1))
        noise *= math.sqrt(1 - OUTLIER_SHARE)
        noise[0, chosen[0]] += side * deviation * own
        noise[1, chosen[1]] -= side * deviation * own
    if cause == "magnitude_outliers":
        # What one prompt has along ``own`` the others take back, so that only its length leaves
        # some in the mean: with all lengths alike nothing is left.
        for pole, away in ((0, side), (1, -side)):
            noise[pole, chosen[pole]] += away * ASIDE * own
            factors[chosen[pole] + pole * PROMPTS] = LONG
        noise -= noise.mean(axis=1, keepdims=True)
    if cause == "massive_coordinate":
        noise += 0.5 * rng.normal(size=(2, PROMPTS, 1)) * own
        noise -= noise.mean(axis=1, keepdims=True)
    return Residuals(noise[0], noise[1], factors)


def solve_prompts(
    target: StudyCell, scale: float, common: Floats, pole: Floats, own: Residuals
) -> Floats:
    """Prompts with the printed geometry, [2 * PROMPTS, d], high pole first.

    Args:
        target: the printed row; variances are per coordinate.
        scale: factor of all lengths (variances grow with its square).
        common: m, unit length, [d].
        pole: direction along which the poles differ, unit length, [d].
        own: residuals.

    Raises:
        ValueError: no prompts have that geometry.
    """
    basis = np.concatenate([common[None], pole[None], own.high, own.low])
    gram = basis @ basis.T
    wanted = _wanted(target, scale, len(common))
    start = _start(wanted)

    from scipy.optimize import least_squares  # here, as a worker that simulates none starts without

    def gap(unknown: Floats) -> Floats:
        rows = _coefficients(unknown, own.factors)
        return _figures(rows @ gram @ rows.T) / wanted - 1

    solved = least_squares(
        gap, start, x_scale=np.maximum(np.abs(start), 1e-3), xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    if np.abs(solved.fun).max() > 1e-6:
        raise ValueError(f"no prompts have the geometry of {target.model} {target.trait}")
    prompts: Floats = _coefficients(solved.x, own.factors) @ basis
    return prompts


def _wanted(target: StudyCell, scale: float, width: int) -> Floats:
    values = (
        target.high_within_variance,
        target.low_within_variance,
        target.high_cosine,
        target.low_cosine,
        target.separation,
    )
    assert all(value is not None for value in values)  # the printed table has no gaps
    high, low, high_cosine, low_cosine, separation = (float(value or 0) for value in values)
    return np.array(
        [
            scale**2 * width * high,
            scale**2 * width * low,
            high_cosine,
            low_cosine,
            scale * separation,
        ]
    )


def _figures(gram: Floats) -> Floats:
    """Traces of covariance, mean cosines and separation of the two poles of a Gram matrix."""
    traces, cosines = [], []
    for pole in (slice(None, PROMPTS), slice(PROMPTS, None)):
        block = gram[pole, pole]
        norms = np.sqrt(np.diag(block))
        traces.append(np.trace(block) / PROMPTS - block.mean())
        pairs = np.triu_indices(PROMPTS, 1)
        cosines.append((block / np.outer(norms, norms))[pairs].mean())
    weights = np.repeat([1 / PROMPTS, -1 / PROMPTS], PROMPTS)
    return np.array([*traces, *cosines, math.sqrt(max(0.0, weights @ gram @ weights))])


def _coefficients(unknown: Floats, factors: Floats) -> Floats:
    """Prompts as combinations of m, v and all residuals, [2 * PROMPTS, 2 + 2 * PROMPTS]."""
    common, high, low, high_scale, low_scale = unknown
    rows = np.zeros((2 * PROMPTS, 2 + 2 * PROMPTS))
    rows[:, 0] = common
    rows[:PROMPTS, 1], rows[PROMPTS:, 1] = high, low
    scales = np.repeat([high_scale, low_scale], PROMPTS)
    rows[:, 2:] = np.diag(scales)
    return rows * factors[:, None]


def _start(wanted: Floats) -> Floats:
    """The solution for prompts of one norm per pole with residuals across m and v."""
    high, low, high_cosine, low_cosine, separation = wanted
    high_mean, low_mean = (c * t / (1 - c) for t, c in ((high, high_cosine), (low, low_cosine)))
    b_high = (separation + (high_mean - low_mean) / separation) / 2
    common = math.sqrt(max(high_mean - b_high**2, 0.05 * high_mean))
    return np.array([common, b_high, b_high - separation, math.sqrt(high), math.sqrt(low)])

"""All metrics of a cell that need only prompts, with what a reader must know of each.

A new metric is one function and one entry here; the worker stores, the command line prints,
the pages show and the tests check whatever is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from backend.core.geometry import contrast, held_out, stability, within_pole
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import PromptSpace

SCALE_FREE = "scale-free"
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """One metric of a cell.

    Attributes:
        name: key in tables and JSON.
        title: name on screen.
        unit: ``scale-free``, or the unit in terms of the activations.
        formula: definition in one line.
        range: possible values.
        undefined_when: when there is no value.
        better: which direction is good for a steering vector, other things equal.
        compute: the function.
    """

    name: str
    title: str
    unit: str
    formula: str
    range: str
    undefined_when: str
    better: Better
    compute: Callable[[PromptSpace], Measure]

    @property
    def scale_free(self) -> bool:
        """Whether multiplying all activations by a constant leaves it unchanged."""
        return self.unit in (SCALE_FREE, "degrees", "index")


def _pole_metrics(high: bool) -> tuple[Metric, ...]:
    pole = "high" if high else "low"
    mu = "mu_H" if high else "mu_L"
    return (
        Metric(
            f"{pole}_within_variance",
            f"Within-class variance, {pole}",
            "activation²",
            "mean over coordinates of the population variance",
            "[0, ∞)",
            "never",
            "lower",
            partial(within_pole.within_variance, high=high),
        ),
        Metric(
            f"{pole}_spread",
            f"Spread, {pole}",
            SCALE_FREE,
            f"trace(cov) / ||{mu}||²",
            "[0, ∞)",
            "the pole's mean is zero",
            "lower",
            partial(within_pole.spread, high=high),
        ),
        Metric(
            f"{pole}_cosine",
            f"Cosine, {pole}",
            SCALE_FREE,
            "mean over pairs i<j of cos(x_i, x_j)",
            "[-1, 1]",
            "fewer than 2 prompts, or a zero activation",
            "higher",
            partial(within_pole.mean_cosine, high=high),
        ),
        Metric(
            f"{pole}_norm_cv",
            f"Norm variation, {pole}",
            SCALE_FREE,
            "std(||x_i||) / mean(||x_i||)",
            "[0, ∞)",
            "all activations are zero",
            "lower",
            partial(within_pole.norm_cv, high=high),
        ),
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        "separation",
        "Separation",
        "activation",
        "||mu_H - mu_L||",
        "[0, ∞)",
        "never",
        "neither",
        contrast.separation,
    ),
    Metric(
        "snr",
        "SNR (study)",
        "1/activation",
        "separation / mean of the two within-class variances",
        "[0, ∞)",
        "no within-class variance",
        "neither",
        contrast.snr,
    ),
    Metric(
        "fisher_ratio",
        "Fisher ratio",
        SCALE_FREE,
        "||v||² / mean of the two traces of covariance",
        "[0, ∞)",
        "no within-class variance",
        "higher",
        contrast.fisher_ratio,
    ),
    *_pole_metrics(high=True),
    *_pole_metrics(high=False),
    Metric(
        "d_prime",
        "d′ of held-out prompts",
        SCALE_FREE,
        "√2 · mean / sd of (x_i - x_j)·v̂, v built without i and j",
        "(-∞, ∞), 0 by chance",
        "fewer than 2 prompts in a pole, or a zero vector",
        "higher",
        held_out.d_prime,
    ),
    Metric(
        "auroc",
        "AUROC of held-out prompts",
        SCALE_FREE,
        "share of (high i, low j) in order along v built without i and j",
        "[0, 1], 0.5 by chance",
        "fewer than 2 prompts in a pole, or a zero vector",
        "higher",
        held_out.auroc,
    ),
    Metric(
        "dominance",
        "Dominance",
        SCALE_FREE,
        "largest v_j² / ||v||²",
        "[1/d, 1]",
        "the vector is zero",
        "lower",
        contrast.dominance,
    ),
    Metric(
        "dominant_coordinate",
        "Dominant coordinate",
        "index",
        "j with the largest v_j², counted from 0",
        "0 to d-1",
        "the vector is zero",
        "neither",
        contrast.dominant_coordinate,
    ),
    Metric(
        "participation_ratio",
        "Participation ratio",
        SCALE_FREE,
        "(Σ v_j²)² / Σ v_j⁴",
        "[1, d]",
        "the vector is zero",
        "higher",
        contrast.participation_ratio,
    ),
    Metric(
        "largest_influence",
        "Largest influence",
        "degrees",
        "largest angle by which v turns when one prompt is left out",
        "[0, 180]",
        "a pole has one prompt, or the vector is zero",
        "lower",
        stability.largest_influence,
    ),
    Metric(
        "split_half_stability",
        "Split-half stability",
        SCALE_FREE,
        "mean cosine of v from random halves, Spearman-Brown corrected",
        "[0, 1]",
        "fewer than 2 prompts in a pole, or opposed halves",
        "higher",
        stability.split_half_stability,
    ),
)

METRICS_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}


def measure_all(space: PromptSpace) -> dict[str, Measure]:
    """Every registered metric of one cell, by name."""
    return {metric.name: metric.compute(space) for metric in METRICS}

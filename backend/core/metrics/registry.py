"""All metrics of a cell that need only prompts, with what a reader must know of each.

A new metric is one function in a file of this folder and one entry here; the worker stores, the
command line prints, the lab and the pages show and the tests check whatever is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.metrics import contrast, held_out, paired_prompts, stability, within_pole
from backend.core.metrics.measured import Measured
from backend.core.prompt_cells import PromptCells

SCALE_FREE = "scale-free"
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class PromptMetric:
    """One metric of a cell.

    Attributes:
        name: key in tables and JSON.
        title: name on screen.
        unit: ``scale-free``, or the unit in terms of the activations.
        formula: definition in one line.
        range: possible values.
        undefined_when: when there is no value.
        better: which direction is good for a steering vector, other things equal.
        compute: the function, for many cells at once.
        live: whether it follows from inner products fast enough for the lab's slider.
        whole_pairs: whether it leaves out, or deals, the prompts of a pair together.
    """

    name: str
    title: str
    unit: str
    formula: str
    range: str
    undefined_when: str
    better: Better
    compute: Callable[[PromptCells], Measured]
    live: bool
    whole_pairs: bool = False

    @property
    def scale_free(self) -> bool:
        """Whether multiplying all activations by a constant leaves it unchanged."""
        return self.unit in (SCALE_FREE, "degrees", "index")


def _pole_metrics(high: bool) -> tuple[PromptMetric, ...]:
    pole = "high" if high else "low"
    mu = "mu_H" if high else "mu_L"
    return (
        PromptMetric(
            f"{pole}_within_variance",
            f"Within-class variance, {pole}",
            "activation²",
            "mean over coordinates of the population variance",
            "[0, ∞)",
            "never",
            "lower",
            partial(within_pole.within_variance, high=high),
            live=True,
        ),
        PromptMetric(
            f"{pole}_spread",
            f"Spread, {pole}",
            SCALE_FREE,
            f"trace(cov) / ||{mu}||²",
            "[0, ∞)",
            "the pole's mean is zero",
            "lower",
            partial(within_pole.spread, high=high),
            live=True,
        ),
        PromptMetric(
            f"{pole}_cosine",
            f"Cosine, {pole}",
            SCALE_FREE,
            "mean over pairs i<j of cos(x_i, x_j)",
            "[-1, 1]",
            "fewer than 2 prompts, or a zero activation",
            "higher",
            partial(within_pole.mean_cosine, high=high),
            live=True,
        ),
        PromptMetric(
            f"{pole}_norm_cv",
            f"Norm variation, {pole}",
            SCALE_FREE,
            "std(||x_i||) / mean(||x_i||)",
            "[0, ∞)",
            "all activations are zero",
            "lower",
            partial(within_pole.norm_cv, high=high),
            live=True,
        ),
    )


METRICS: list[PromptMetric] = [
    PromptMetric(
        "separation",
        "Separation",
        "activation",
        "||mu_H - mu_L||",
        "[0, ∞)",
        "never",
        "neither",
        contrast.separation,
        live=True,
    ),
    PromptMetric(
        "snr",
        "SNR (study)",
        "1/activation",
        "separation / mean of the two within-class variances",
        "[0, ∞)",
        "no within-class variance",
        "neither",
        contrast.snr,
        live=True,
    ),
    PromptMetric(
        "fisher_ratio",
        "Fisher ratio",
        SCALE_FREE,
        "||v||² / mean of the two traces of covariance",
        "[0, ∞)",
        "no within-class variance",
        "higher",
        contrast.fisher_ratio,
        live=True,
    ),
    *_pole_metrics(high=True),
    *_pole_metrics(high=False),
    PromptMetric(
        "d_prime",
        "d′ of held-out prompts",
        SCALE_FREE,
        "J · mean of (x_i - x_j)·v̂ / spread of a pole, v built without i, j and their pairs",
        "(-∞, ∞), 0 by chance",
        "fewer than 2 prompts in a pole, or a zero vector",
        "higher",
        held_out.d_prime,
        live=True,
        whole_pairs=True,
    ),
    PromptMetric(
        "auroc",
        "AUROC of held-out prompts",
        SCALE_FREE,
        "share of (high i, low j) in order along v built without i, j and their pairs",
        "[0, 1], 0.5 by chance",
        "fewer than 2 prompts in a pole, or a zero vector",
        "higher",
        held_out.auroc,
        live=True,
        whole_pairs=True,
    ),
    PromptMetric(
        "dominance",
        "Dominance",
        SCALE_FREE,
        "largest v_j² / ||v||²",
        "[1/d, 1]",
        "the vector is zero",
        "lower",
        contrast.dominance,
        live=False,
    ),
    PromptMetric(
        "dominant_coordinate",
        "Dominant coordinate",
        "index",
        "j with the largest v_j², counted from 0",
        "0 to d-1",
        "the vector is zero",
        "neither",
        contrast.dominant_coordinate,
        live=False,
    ),
    PromptMetric(
        "participation_ratio",
        "Participation ratio",
        SCALE_FREE,
        "(Σ v_j²)² / Σ v_j⁴",
        "[1, d]",
        "the vector is zero",
        "higher",
        contrast.participation_ratio,
        live=False,
    ),
    PromptMetric(
        "largest_influence",
        "Largest influence",
        "degrees",
        "largest angle by which v turns when one prompt is left out",
        "[0, 180]",
        "a pole has one prompt, or the vector is zero",
        "lower",
        stability.largest_influence,
        live=True,
    ),
    PromptMetric(
        "split_half_stability",
        "Split-half stability",
        SCALE_FREE,
        "mean cosine of v from random halves, pairs whole, Spearman-Brown corrected",
        "[0, 1]",
        "fewer than 2 prompts in a pole, or pairs, or opposed halves",
        "higher",
        stability.split_half_stability,
        live=False,
        whole_pairs=True,
    ),
    PromptMetric(
        "effective_prompts",
        "Effective number of prompts",
        SCALE_FREE,
        "2 + (Σλ)² / Σλ², λ of the products about the poles' means",
        "[3, n]",
        "fewer than 2 prompts in a pole, or all of a pole the same",
        "higher",
        paired_prompts.effective_prompts,
        live=False,
    ),
    PromptMetric(
        "pair_agreement",
        "Agreement of pairs",
        SCALE_FREE,
        "mean over pairs of cos(d_k, mean of the other d)",
        "[-1, 1], 0 by chance",
        "prompts without pairs, fewer than 2, or a zero difference",
        "higher",
        paired_prompts.pair_agreement,
        live=False,
    ),
    PromptMetric(
        "pairs_astray",
        "Pairs pointing the wrong way",
        SCALE_FREE,
        "share of pairs with d_k against the mean of the other d",
        "[0, 1], 0.5 by chance",
        "prompts without pairs, fewer than 2, or a zero difference",
        "lower",
        paired_prompts.pairs_astray,
        live=False,
    ),
]

# The lab shows what the published study printed first; other live metrics follow.
_FIRST_IN_LAB = (
    "separation",
    "high_within_variance",
    "low_within_variance",
    "high_cosine",
    "low_cosine",
    "snr",
    "high_norm_cv",
    "low_norm_cv",
    "high_spread",
    "low_spread",
)


def metric_named(name: str) -> PromptMetric:
    """The metric of that name.

    Raises:
        KeyError: no metric has it.
    """
    for metric in METRICS:
        if metric.name == name:
            return metric
    raise KeyError(name)


def in_lab() -> tuple[PromptMetric, ...]:
    """The live metrics in the order in which the lab shows them."""
    live = {metric.name: metric for metric in METRICS if metric.live}
    first = [live.pop(name) for name in _FIRST_IN_LAB if name in live]
    return (*first, *live.values())


def measure_all(cells: PromptCells) -> list[dict[str, Estimate]]:
    """Every registered metric of each cell, by name."""
    columns = {metric.name: metric.compute(cells).estimates(cells) for metric in METRICS}
    return [{name: column[cell] for name, column in columns.items()} for cell in range(len(cells))]


def measure_cell(cells: PromptCells) -> dict[str, Estimate]:
    """Every registered metric of a batch of one cell, by name.

    Raises:
        ValueError: there is not exactly one cell.
    """
    (measured,) = measure_all(cells)
    return measured


def live_metrics(cells: PromptCells) -> dict[str, Floats]:
    """The live metrics of every cell, by name, in the lab's order; [C], NaN where undefined."""
    return {metric.name: metric.compute(cells).values for metric in in_lab()}

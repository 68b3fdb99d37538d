"""What is left of the variance once its units are removed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.analyses.cells import CellRow, column, models_of
from backend.analyses.finding import Finding, Row, plain


@dataclass(frozen=True)
class ImpliedScale:
    """Norm and spread of a model's prompts, implied by its printed variance and cosine.

    If all prompts of a pole have the same norm and are many, the mean cosine c is the share of
    their squared norm that the mean holds, so trace(cov) = (1 - c) ||x||^2. With n prompts the
    pairs' cosine is that share corrected: trace = (1 - c) ||x||^2 (n - 1) / n.

    Attributes:
        norm: implied ||x||, many prompts.
        spread: implied trace / ||x||^2 = 1 - c.
        norm_of_five: the same for the study's 5 prompts per pole.
    """

    norm: float
    spread: float
    norm_of_five: float


def implied_scale(rows: Sequence[CellRow], width: int) -> ImpliedScale:
    """Implied norm and spread of one model, from means over its cells and poles.

    Args:
        rows: cells of one model.
        width: d, which the study does not print: the models' published widths.
    """
    variance = 0.5 * (column(rows, "high_within_variance") + column(rows, "low_within_variance"))
    cosine = 0.5 * (column(rows, "high_cosine") + column(rows, "low_cosine"))
    spread = float(1 - cosine.mean())
    norm = math.sqrt(float(variance.mean()) * width / spread)
    return ImpliedScale(norm, spread, norm * math.sqrt(5 / 4))


def snr_of(row: CellRow) -> float:
    """Separation over the mean of the two within-class variances."""
    return row.separation / (0.5 * (row.high_within_variance + row.low_within_variance))


def snr_bounds(row: CellRow) -> tuple[float, float]:
    """Smallest and largest snr the row's rounded figures allow.

    Separation is printed to 0.1 and variances to 0.001, so each can be off by half of that.
    """
    total = row.high_within_variance + row.low_within_variance
    low = 2 * (row.separation - 0.05) / (total + 0.001)
    high = 2 * (row.separation + 0.05) / (total - 0.001)
    return low, high


def units_finding(rows: Sequence[CellRow], widths: Mapping[str, int]) -> Finding:
    """Raw within-class variance between models beside the scale-free spread.

    Args:
        rows: the cells at their best layers.
        widths: model -> d.
    """
    lines = []
    variances, spreads = [], []
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        raw = np.concatenate([column(own, f"{p}_within_variance") for p in ("high", "low")])
        scale = implied_scale(own, widths[model])
        variances.append(float(raw.mean()))
        spreads.append(scale.spread)
        lines += [
            Row(f"{model}: mean within-class variance", plain(variances[-1], len(raw)), None,
                "activation units squared"),
            Row(f"{model}: implied norm", plain(scale.norm, len(own)), None,
                f"width {widths[model]}, prompts of one norm; for exactly 5 prompts "
                f"{scale.norm_of_five:.0f}"),
            Row(f"{model}: implied spread", plain(scale.spread, len(own)), None, "scale-free"),
        ]  # fmt: skip
    raw_ratio, free_ratio = max(variances) / min(variances), max(spreads) / min(spreads)
    lines.insert(0, Row("largest / smallest variance, raw", plain(raw_ratio, len(rows))))
    lines.insert(1, Row("largest / smallest spread, scale-free", plain(free_ratio, len(rows))))
    return Finding(
        "units",
        "Are some models' prompts more variable?",
        "ruled out" if raw_ratio > 3 * free_ratio else "undetermined",
        f"Raw variance differs {raw_ratio:.0f}-fold between models, scale-free spread "
        f"{free_ratio:.1f}-fold: most of the difference is the activations' scale.",
        "Implied from rounded means under one norm for all prompts; a run's own norms and "
        "spreads need no such assumption.",
        tuple(lines),
    )

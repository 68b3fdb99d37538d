"""What is left of the within-class variance once its units are removed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable
from backend.core.study_cell import StudyCell, column, having, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "units"
QUESTION = "Are some models' prompts more variable?"


@dataclass(frozen=True)
class PromptScale:
    """Norm and spread of one model's prompts.

    Attributes:
        norm: activation units.
        spread: trace of the within-class covariance over a squared norm, scale-free.
        note: whether measured, or implied and under which assumption.
    """

    norm: float
    spread: float
    note: str


def implied_scale(rows: Sequence[StudyCell], width: int) -> PromptScale:
    """Norm and spread that a model's printed variances and cosines imply.

    If all prompts of a pole have one norm and are many, the mean cosine c is the share of the
    squared norm that their mean holds, so trace(cov) = variance d = (1 - c) ||x||^2: the spread
    is 1 - c and the norm sqrt(variance d / (1 - c)); both are averaged over the cells. With the
    study's 5 prompts per pole the pairs' cosine takes 4/5 of that trace, so the norm is sqrt(5/4)
    as large.

    Args:
        rows: cells of one model with variances and cosines.
        width: d.
    """
    variance = 0.5 * (column(rows, "high_within_variance") + column(rows, "low_within_variance"))
    spreads = 1 - 0.5 * (column(rows, "high_cosine") + column(rows, "low_cosine"))
    norm = float(np.sqrt(variance * width / spreads).mean())
    note = (
        f"implied: width {width}, all prompts of one norm, many prompts; exactly 5 prompts would "
        f"give norm {norm * math.sqrt(5 / 4):.0f}"
    )
    return PromptScale(norm, float(spreads.mean()), note)


def measured_scale(rows: Sequence[StudyCell]) -> PromptScale:
    """Mean norm and spread over a model's cells, as its run measured them.

    Args:
        rows: cells of one model with norm and spread.
    """
    return PromptScale(
        float(column(rows, "norm").mean()),
        float(column(rows, "spread").mean()),
        "measured, mean over traits at their best layers",
    )


def snr_of(row: StudyCell) -> float | None:
    """Separation over the mean of the two within-class variances; None where one is missing."""
    if not having([row], "separation", "high_within_variance", "low_within_variance"):
        return None
    separation, high, low = (
        float(getattr(row, name))
        for name in ("separation", "high_within_variance", "low_within_variance")
    )
    return separation / (0.5 * (high + low))


def snr_bounds(separation: float, high_variance: float, low_variance: float) -> tuple[float, float]:
    """Smallest and largest snr that rounded figures allow.

    Args:
        separation: printed to 0.1, so off by at most 0.05.
        high_variance: printed to 0.001, so off by at most 0.0005.
        low_variance: likewise.
    """
    total = high_variance + low_variance
    return 2 * (separation - 0.05) / (total + 0.001), 2 * (separation + 0.05) / (total - 0.001)


def units_finding(rows: Sequence[StudyCell], widths: Mapping[str, int]) -> Finding:
    """Raw within-class variance of each model beside its scale-free spread.

    Args:
        rows: the cells at their best layers.
        widths: model -> d.
    """
    known = having(rows, "high_within_variance", "low_within_variance", "high_cosine", "low_cosine")
    if not known:
        return not_computable(NAME, QUESTION, "no cell has variances and cosines")
    lines, variances, spreads = [], [], []
    for model in models_of(known):
        own = [row for row in known if row.model == model]
        measured = having(own, "norm", "spread")
        scale = measured_scale(measured) if measured else implied_scale(own, widths[model])
        raw = np.concatenate([column(own, f"{p}_within_variance") for p in ("high", "low")])
        variances.append(float(raw.mean()))
        spreads.append(scale.spread)
        n = len(own)
        lines += [
            Row(
                f"{model}: mean within-class variance",
                Estimate.exact(variances[-1], n),
                note="activation units squared",
            ),
            Row(f"{model}: norm", Estimate.exact(scale.norm, n), note=scale.note),
            Row(f"{model}: spread", Estimate.exact(scale.spread, n), note="scale-free"),
        ]
    caveat = "Means over cells at their best layers; layers differ in scale too."
    if len(variances) < 2:
        answer = (
            "One model alone cannot be compared. Its spread is scale-free, its variance is not."
        )
        return Finding(NAME, QUESTION, "undetermined", answer, caveat, tuple(lines))
    raw_ratio, free_ratio = max(variances) / min(variances), max(spreads) / min(spreads)
    verdict: Verdict = "undetermined"
    if raw_ratio > 3 * free_ratio:
        verdict = "ruled out"
    elif free_ratio > 3:
        verdict = "supported"
    lines[:0] = [
        Row("largest / smallest within-class variance", Estimate.exact(raw_ratio, len(known))),
        Row("largest / smallest spread", Estimate.exact(free_ratio, len(known))),
    ]
    lead = {"ruled out": "Mostly scale.", "supported": "Yes.", "undetermined": "Unclear."}[verdict]
    answer = (
        f"{lead} Raw within-class variance differs {raw_ratio:.1f}-fold between models, "
        f"scale-free spread {free_ratio:.1f}-fold."
    )
    return Finding(NAME, QUESTION, verdict, answer, caveat, tuple(lines))


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    return units_finding(evidence.cells, evidence.widths)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

"""What is left of the within-class variance once its units are removed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable
from backend.core.statistics.paired import geometric_ratio
from backend.core.study_cell import StudyCell, column, having, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "units"
QUESTION = "Are some models' prompts more variable?"
# A spread so many times another's is much; raw variance is mostly scale where it differs by so many
# times what the spread does.
_MUCH, _MOSTLY = 2.0, 3.0


@dataclass(frozen=True, eq=False)
class PromptScale:
    """Norm and spread of one model's prompts.

    Attributes:
        norm: mean over cells, activation units.
        spreads: of each cell, trace of the within-class covariance over a squared norm,
            scale-free, [cells].
        note: whether the norm was measured, or implied and under which assumption.
        spread_note: what the spread is of.
    """

    norm: float
    spreads: Floats
    note: str
    spread_note: str = "scale-free"


def implied_scale(rows: Sequence[StudyCell], width: int) -> PromptScale:
    """Norm and spread that a model's printed variances and cosines imply.

    If all prompts of a pole have one norm and are many, the mean cosine c is the share of the
    squared norm that their mean holds, so trace(cov) = variance d = (1 - c) ||x||^2: the spread
    is 1 - c and the norm sqrt(variance d / (1 - c)); both are averaged over the cells. With the
    study's 5 prompts per pole the pairs' cosine takes 4/5 of that trace, so the norm is sqrt(5/4)
    as large. The spread that runs measure is per squared norm of the pole's mean, which of n
    prompts is (c + (1 - c) / n) ||x||^2.

    Args:
        rows: cells of one model with variances and cosines.
        width: d.
    """
    spreads = 1 - 0.5 * (column(rows, "high_cosine") + column(rows, "low_cosine"))
    norm = float(np.sqrt(_variances(rows) * width / spreads).mean())
    note = (
        f"implied: width {width}, all prompts of one norm, many prompts; exactly 5 prompts would "
        f"give norm {norm * math.sqrt(5 / 4):.0f}"
    )
    cosines = 1 - spreads
    measured = float((spreads / (cosines + spreads / 5)).mean())
    spread_note = f"implied: 1 - mean cosine; 5 prompts as runs measure it: {measured:.3f}"
    return PromptScale(norm, spreads, note, spread_note)


def measured_scale(rows: Sequence[StudyCell]) -> PromptScale:
    """Mean norm and spread over a model's cells, as its run measured them.

    Args:
        rows: cells of one model with norm and spread.
    """
    return PromptScale(
        float(column(rows, "norm").mean()),
        column(rows, "spread"),
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
    lines = []
    variances: dict[str, PerTrait] = {}
    spreads: dict[str, PerTrait] = {}
    for model in models_of(known):
        own = [row for row in known if row.model == model]
        measured = having(own, "norm", "spread")
        scale = measured_scale(measured) if measured else implied_scale(own, widths[model])
        variances[model] = _per_trait(own, _variances(own))
        spreads[model] = _per_trait(measured or own, scale.spreads)
        n = len(own)
        lines += [
            Row(
                f"{model}: mean within-class variance",
                Estimate.exact(_mean(variances[model]), n),
                note="activation units squared",
            ),
            Row(f"{model}: norm", Estimate.exact(scale.norm, n), note=scale.note),
            Row(
                f"{model}: spread", Estimate.exact(_mean(spreads[model]), n), note=scale.spread_note
            ),
        ]
    caveat = "Means over cells at their best layers; layers differ in scale too."
    if len(having(known, "norm", "spread")) < len(known):
        caveat += (
            " A spread that printed cosines imply is per squared norm of a prompt; runs measure it "
            "per squared norm of the pole's mean, which is smaller where prompts disagree."
        )
    if len(variances) < 2:
        answer = (
            "One model alone cannot be compared. Its spread is scale-free, its variance is not."
        )
        return Finding(NAME, QUESTION, "undetermined", answer, caveat, tuple(lines))
    raw, free = _largest_ratio(variances), _largest_ratio(spreads)
    for name, ratio in (("within-class variance", raw), ("spread", free))[::-1]:
        lines[:0] = [
            Row(f"largest / smallest {name}", ratio.of_means, note=ratio.models),
            Row(
                f"largest / smallest {name}, trait by trait",
                ratio.by_trait,
                note=f"{ratio.models}; geometric mean",
            ),
        ]
    verdict = _verdict(raw.by_trait, free.by_trait)
    answer = _answer(verdict, raw, free)
    caveat += (
        " The largest of several models is compared with the smallest, which alone makes some "
        "difference."
    )
    return Finding(NAME, QUESTION, verdict, answer, caveat, tuple(lines))


@dataclass(frozen=True)
class Ratio:
    """How many times a model's value is another's.

    Attributes:
        of_means: ratio of their means over traits.
        by_trait: geometric mean of the ratios of the traits that both have.
        models: which two.
    """

    of_means: Estimate
    by_trait: Estimate
    models: str

    @property
    def text(self) -> str:
        """The ratio of means and whose it is."""
        if self.of_means.value is None:
            return f"by an undefined factor ({self.models}; {self.of_means.reason})"
        return f"{self.of_means.value:.1f}-fold ({self.models})"

    @property
    def sure(self) -> str:
        """Trait by trait, with the interval; empty where there is none."""
        found = self.by_trait
        if found.low is None or found.high is None:
            return ""
        return f"{found.value:.1f}-fold [{found.low:.1f}, {found.high:.1f}]"


def _verdict(raw: Estimate, free: Estimate) -> Verdict:
    """Whether models differ in scale-free spread: by a factor that matters for the whole interval,
    or not, where raw variance differs by far more than the spread can."""
    if free.low is not None and free.low > _MUCH:
        return "supported"
    if raw.low is not None and free.high is not None and raw.low > _MOSTLY * free.high:
        return "ruled out"
    return "undetermined"


def _answer(verdict: Verdict, raw: Ratio, free: Ratio) -> str:
    lead = {"ruled out": "Mostly scale", "supported": "Yes", "undetermined": "Unclear"}[verdict]
    pair = [("raw within-class variance", raw), ("scale-free spread", free)]
    if verdict == "supported":
        pair.reverse()
    (first, one), (second, other) = pair
    said = f"{lead}: {first} differs {one.text}, {second} {other.text}"
    if one.sure and other.sure:
        said += f"; trait by trait {one.sure} and {other.sure}"
    return f"{said}."


PerTrait = Mapping[str, float]


def _per_trait(rows: Sequence[StudyCell], values: Floats) -> PerTrait:
    return {row.trait: float(value) for row, value in zip(rows, values, strict=True)}


def _variances(rows: Sequence[StudyCell]) -> Floats:
    """Within-class variance of each cell, mean over its poles, [cells]."""
    found: Floats = 0.5 * (
        column(rows, "high_within_variance") + column(rows, "low_within_variance")
    )
    return found


def _mean(values: PerTrait) -> float:
    return float(np.mean(list(values.values())))


def _largest_ratio(by_model: Mapping[str, PerTrait]) -> Ratio:
    """Of the models with the largest and the smallest mean."""
    most = max(by_model, key=lambda model: _mean(by_model[model]))
    least = min(by_model, key=lambda model: _mean(by_model[model]))
    above, below = by_model[most], by_model[least]
    shared = [trait for trait in above if trait in below]
    first, second = (np.array([values[trait] for trait in shared]) for values in (above, below))
    of_means = (
        Estimate.exact(_mean(above) / _mean(below), len(above))
        if _mean(below) > 0
        else Estimate.undefined(len(below), "the smaller mean is zero")
    )
    return Ratio(of_means, geometric_ratio(first, second), f"{most} / {least}")


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    return units_finding(evidence.cells, evidence.widths)


TEST = StudyTest(NAME, QUESTION, _of_evidence)

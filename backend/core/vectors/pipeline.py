"""The choices from which a contrastive vector is built, so that any combination can be tried."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from backend.errors import VectorError

RowScaling = Literal["none", "unit"]
FilterReference = Literal["none", "mean", "leave_one_out", "median"]
Centre = Literal["mean", "geometric_median"]

ROW_SCALINGS: tuple[RowScaling, ...] = get_args(RowScaling)
FILTER_REFERENCES: tuple[FilterReference, ...] = get_args(FilterReference)
CENTRES: tuple[Centre, ...] = get_args(Centre)
# A filter must leave this many prompts in each pole: one prompt is no mean.
LEAST_PROMPTS = 2


@dataclass(frozen=True)
class Pipeline:
    """How v is built from the prompts of a cell: scale rows, filter, centre, denoise, metric.

    Attributes:
        row_scaling: ``none``, or ``unit``: every prompt has norm 1 before anything else, so that
            long prompts do not outweigh the rest.
        filter_reference: what a prompt's cosine is taken to: the ``mean`` of its pole, the mean of
            the *other* prompts of its pole (``leave_one_out``), or the pole's geometric median
            (``median``); ``none`` keeps all.
        threshold: prompts with a cosine below it are dropped, in [-1, 1].
        centre: ``mean`` of the pole's prompts or their ``geometric_median``, which outliers
            hardly move.
        denoise: number of principal components of the pooled within-class covariance that are
            removed from v (study, Solution C).
        metric: name of the inner product (see backend.core.vectors.inner_product).
    """

    row_scaling: RowScaling = "none"
    filter_reference: FilterReference = "none"
    threshold: float = 0.0
    centre: Centre = "mean"
    denoise: int = 0
    metric: str = "identity"

    def __post_init__(self) -> None:
        choices = {
            "row_scaling": ROW_SCALINGS,
            "filter_reference": FILTER_REFERENCES,
            "centre": CENTRES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise VectorError(
                    f"{name}={getattr(self, name)!r} is not a choice.",
                    expected=f"one of {', '.join(allowed)}.",
                    remedy="choose one of these.",
                )
        if not -1.0 <= self.threshold <= 1.0:
            raise VectorError(
                f"A cosine threshold of {self.threshold} keeps everything or nothing.",
                expected="a number from -1 to 1.",
                remedy="choose a threshold in that range, such as 0.8.",
            )
        if self.denoise < 0:
            raise VectorError(
                f"{self.denoise} components cannot be removed.",
                expected="0 or more components.",
                remedy="choose 0 to leave the vector as it is.",
            )

    def to_dict(self) -> dict[str, str | float | int]:
        """The choices as plain values, for JSON and addresses."""
        return dataclasses.asdict(self)

    @property
    def label(self) -> str:
        """The choices in words, without those that change nothing."""
        parts = []
        if self.row_scaling == "unit":
            parts.append("unit-norm rows")
        if self.filter_reference != "none":
            reference = self.filter_reference.replace("_", "-")
            parts.append(f"cosine to {reference} ≥ {self.threshold:g}")
        if self.centre == "geometric_median":
            parts.append("geometric median")
        if self.denoise:
            plural = "" if self.denoise == 1 else "s"
            parts.append(f"{self.denoise} within-class component{plural} removed")
        if self.metric != "identity":
            parts.append(f"metric {self.metric.replace('_', ' ')}")
        return ", ".join(parts) or "mean difference"

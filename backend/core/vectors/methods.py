"""The named methods by which vectors are built, each computed for every cell of a run.

A new method is one entry here; the worker stores it, pages list it and the tests check it.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.vectors.pipeline import Pipeline
from backend.core.vectors.probes import Labels

MEAN_DIFFERENCE = "mean_difference"
MASSIVE_REMOVED = "massive_removed"
RIDGE = "ridge_drift"


@dataclass(frozen=True)
class Method:
    """One way to build a vector.

    Attributes:
        name: key in tables.
        title: name on screen.
        pipeline: choices if it is built from prompts alone; None for probes.
        labels: which scores are high and low, for logistic probes; None otherwise.
        fitted: whether it is fitted on scored responses, so that its r comes from held-out
            scenarios.
        source: where it comes from.
    """

    name: str
    title: str
    pipeline: Pipeline | None
    labels: Labels | None
    fitted: bool
    source: str


def _prompts(name: str, title: str, pipeline: Pipeline, source: str) -> Method:
    return Method(name, title, pipeline, None, False, source)


METHODS: tuple[Method, ...] = (
    _prompts(MEAN_DIFFERENCE, "Mean difference", Pipeline(), "study"),
    _prompts("unit_rows", "Unit-norm rows", Pipeline(row_scaling="unit"), "design"),
    _prompts(
        "cosine_filter",
        "Cosine filter 0.80",
        Pipeline(filter_reference="mean", threshold=0.8),
        "study, Solution A",
    ),
    _prompts(
        "cosine_filter_left_out",
        "Cosine filter 0.80, leave-one-out",
        Pipeline(filter_reference="leave_one_out", threshold=0.8),
        "study, Solution A",
    ),
    _prompts(
        "cosine_filter_median",
        "Cosine filter 0.80, to the median",
        Pipeline(filter_reference="median", threshold=0.8),
        "study, Solution A",
    ),
    _prompts(
        "geometric_median",
        "Geometric median",
        Pipeline(centre="geometric_median"),
        "Vardi and Zhang 2000",
    ),
    _prompts("denoised_1", "1 within-class PC removed", Pipeline(denoise=1), "study, Solution C"),
    _prompts("denoised_2", "2 within-class PCs removed", Pipeline(denoise=2), "study, Solution C"),
    _prompts(
        MASSIVE_REMOVED,
        "Massive coordinates removed",
        Pipeline(metric="massive_removed"),
        "Sun et al. 2024",
    ),
    _prompts(
        "standardised",
        "Standardised by responses",
        Pipeline(metric="standardised"),
        "diagonal LDA",
    ),
    _prompts(
        "response_pcs_removed_1",
        "Top response PC removed",
        Pipeline(metric="response_pcs_removed_1"),
        "Mu and Viswanath 2018",
    ),
    _prompts(
        "response_pcs_removed_3",
        "Top 3 response PCs removed",
        Pipeline(metric="response_pcs_removed_3"),
        "Mu and Viswanath 2018",
    ),
    _prompts("lda", "Shrunk LDA", Pipeline(metric="lda"), "Ledoit and Wolf 2004"),
    Method(
        "logistic_5_3", "Logistic probe, ≥5 v ≤3", None, Labels(5, 3), True, "study, Solution B"
    ),
    Method(
        "logistic_4_2", "Logistic probe, ≥4 v ≤2", None, Labels(4, 2), True, "study, Solution B"
    ),
    Method(
        "logistic_any",
        "Logistic probe, above v below median",
        None,
        Labels(None, None),
        True,
        "study, Solution B",
    ),
    Method(RIDGE, "Ridge probe on drift", None, None, True, "design"),
)

METHODS_BY_NAME: dict[str, Method] = {method.name: method for method in METHODS}

"""The named methods by which vectors are built, each computed for every cell of a run.

A new method is one entry here; the worker stores it, pages list it and the tests check it.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.vectors.fitting import (
    Fit,
    from_binary_scores,
    from_prompts,
    from_score_drift,
)
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
        title: name on screen; of what has labels, for scores of 0 to 10.
        source: where it comes from.
        fit: what it makes of cells of one layer.
        pipeline: choices if prompts are weighed by one, by which the Filter lab shows it.
        fitted: whether it is fitted on scored responses, so that its r comes from held-out
            scenarios and it is the same for every prompt set.
        costly: whether it takes most of the time of deriving a run, so that simulated runs, whose
            causes need none of it, go without.
        labels: thresholds, for scores of 0 to 10, of what is fitted to high and low responses.
    """

    name: str
    title: str
    source: str
    fit: Fit
    pipeline: Pipeline | None = None
    fitted: bool = False
    costly: bool = False
    labels: Labels | None = None

    def title_on(self, score_range: tuple[float, float]) -> str:
        """The name on screen, with thresholds in the units of a study's scores.

        Args:
            score_range: lowest and highest score at whose fractions the responses were split.
        """
        return self.title if self.labels is None else _logistic_title(self.labels.on(score_range))


def _prompts(name: str, title: str, pipeline: Pipeline, source: str) -> Method:
    return Method(name, title, source, from_prompts(pipeline), pipeline)


def _logistic(name: str, labels: Labels) -> Method:
    return Method(
        name,
        _logistic_title(labels),
        "study, Solution B",
        from_binary_scores(labels),
        fitted=True,
        costly=True,
        labels=labels,
    )


def _logistic_title(labels: Labels) -> str:
    if labels.at_least is None or labels.at_most is None:
        return "Logistic probe, above v below median"
    return f"Logistic probe, ≥{labels.at_least:g} v ≤{labels.at_most:g}"


METHODS: list[Method] = [
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
    _logistic("logistic_5_3", Labels(5, 3)),
    _logistic("logistic_4_2", Labels(4, 2)),
    _logistic("logistic_any", Labels(None, None)),
    Method(RIDGE, "Ridge probe on drift", "design", from_score_drift, fitted=True),
]


def method_named(name: str) -> Method:
    """The registered method of this name.

    Raises:
        KeyError: no method has it.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise KeyError(name)

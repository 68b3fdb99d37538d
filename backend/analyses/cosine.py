"""Does the prompts' cosine predict r: overall, within each model, and with the model held fixed?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.analyses.cells import CellRow, column, models_of
from backend.analyses.finding import Finding, Row, verdict_of
from backend.geometry.prompt_space import Floats
from backend.settings import StatusThresholds
from backend.statistics.correlation import Correlation, pearson
from backend.statistics.groups import GroupComparison, compare_groups
from backend.statistics.interval import Estimate
from backend.statistics.partial import partial_correlation

POLES = ("high", "low")


def working_and_failing(
    rows: Sequence[CellRow], name: str, thresholds: StatusThresholds
) -> GroupComparison | None:
    """A metric of working cells (r above the threshold) against that of all others.

    None if a group is empty.
    """
    values, r = column(rows, name), column(rows, "r")
    working = r > thresholds.working
    if working.all() or not working.any():
        return None
    return compare_groups(values[working], values[~working])


def as_estimate(found: Correlation) -> Estimate:
    """A correlation as an estimate."""
    return Estimate(found.r, found.low, found.high, found.p, found.n, found.reason)


def within_models(rows: Sequence[CellRow], name: str) -> dict[str, Estimate]:
    """Model -> correlation over its traits of a metric with r."""
    found = {}
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        found[model] = as_estimate(pearson(column(own, name), column(own, "r")))
    return found


def model_dummies(rows: Sequence[CellRow]) -> Floats:
    """Indicators of all models but the first, [cells, models - 1]."""
    models = models_of(rows)
    return np.array([[float(row.model == m) for m in models[1:]] for row in rows])


def model_adjusted(rows: Sequence[CellRow], name: str) -> Estimate:
    """Correlation of a metric with r after taking away what differs between models."""
    return partial_correlation(column(rows, name), column(rows, "r"), model_dummies(rows))


def cosine_finding(
    rows: Sequence[CellRow],
    thresholds: StatusThresholds,
    published: dict[str, str] | None = None,
) -> Finding:
    """Prompt cosine against r, overall and within model (study, Evidence 2).

    Args:
        rows: the cells at their best layers.
        thresholds: where a cell works.
        published: row name -> printed figure.
    """
    printed = published or {}
    lines: list[Row] = []
    adjusted = []
    for pole in POLES:
        name = f"{pole}_cosine"
        groups = working_and_failing(rows, name, thresholds)
        if groups is not None:
            for title, found in (("Student t", groups.student), ("Welch", groups.welch),
                                 ("Mann-Whitney", groups.mann_whitney)):  # fmt: skip
                key = f"{pole} cosine, working - failing, {title}"
                note = f"means {groups.first_mean:.3f} and {groups.second_mean:.3f}"
                if title == "Mann-Whitney":
                    note = "value: probability that a working cell's cosine is the larger"
                lines.append(Row(key, found, printed.get(key), note))
        overall = as_estimate(pearson(column(rows, name), column(rows, "r")))
        lines.append(Row(f"{pole} cosine v r, all cells", overall))
        for model, found in within_models(rows, name).items():
            lines.append(Row(f"{pole} cosine v r, within {model}", found))
        adjusted.append(model_adjusted(rows, name))
        lines.append(Row(f"{pole} cosine v r, model held fixed", adjusted[-1]))
    supported = [verdict_of(found) == "supported" for found in adjusted]
    return Finding(
        "prompt_cosine",
        "Do prompts that agree make vectors that work?",
        "supported" if all(supported) else "undetermined",
        "With the model held fixed, cosine "
        + ("still predicts r." if all(supported) else "is not seen to predict r."),
        "Simpson's paradox: models differ in cosine and in r, so cells of several models "
        "correlate even if cosine does nothing within a model. Cells of one model are not "
        "independent either, so every p over cells is too small.",
        tuple(lines),
    )

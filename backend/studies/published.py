"""The published study: the tables that it printed, bundled as data."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backend.core.estimate import FISHER_Z, Estimate
from backend.core.statistics.correlation import correlation_p, fisher_interval
from backend.core.study_cell import StudyCell

FOLDER = Path(__file__).resolve().parent / "published_data"
TITLE = "Published reference (tables only)"
# The study prints no widths; these are the models' published ones.
WIDTHS = {"llama3": 4096, "qwen2": 3584, "mistral": 4096}


@dataclass(frozen=True)
class PrintedTransfer:
    """A row of the study's Evidence 1. Attributes: trait, models and the two printed r."""

    trait: str
    behaviour_model: str
    self_r: float
    activation_model: str
    cross_r: float


@dataclass(frozen=True)
class PrintedAgreement:
    """A cell of the study's Solution D. Attributes: trait, two models and their printed r."""

    trait: str
    first: str
    second: str
    r: float


@dataclass(frozen=True)
class PrintedCounts:
    """A pair of counts of the study's Part 3 or Solution B.

    Attributes:
        model: who responded.
        trait: the trait.
        at_least: lowest score of the high pole.
        at_most: highest score of the low pole.
        high: printed number of responses of the high pole.
        low: printed number of the low pole.
    """

    model: str
    trait: str
    at_least: float
    at_most: float
    high: int
    low: int


@dataclass(frozen=True, eq=False)
class PublishedStudy:
    """Everything the study printed that a test of it can use.

    Attributes:
        cells: the 24 rows of its raw data.
        widths: model -> activation width.
        transfers: Evidence 1.
        agreements: Solution D.
        counts: Part 3 and Solution B.
        scenarios: number of scenarios behind every r.
        responses: number of scored responses per model and trait.
        figures: name of a test -> row of its finding -> the printed figure.
    """

    cells: tuple[StudyCell, ...]
    widths: dict[str, int]
    transfers: tuple[PrintedTransfer, ...]
    agreements: tuple[PrintedAgreement, ...]
    counts: tuple[PrintedCounts, ...]
    scenarios: int
    responses: int
    figures: dict[str, dict[str, str]]

    def correlation(self, r: float) -> Estimate:
        """A printed r with the interval and p that the study's number of scenarios gives it."""
        n = self.scenarios
        return Estimate(r, *fisher_interval(r, n), correlation_p(r, n), n, None, FISHER_Z)


@cache
def published_study() -> PublishedStudy:
    """Read the bundled tables; shared, not to be changed."""
    figures: dict[str, dict[str, str]] = {}
    for row in _rows("figures"):
        figures.setdefault(row["finding"], {})[row["row"]] = row["published"]
    return PublishedStudy(
        cells=tuple(_cell(row) for row in _rows("vector_diagnostics")),
        widths=dict(WIDTHS),
        transfers=tuple(
            PrintedTransfer(
                row["trait"],
                row["behaviour_model"],
                float(row["self_r"]),
                row["activation_model"],
                float(row["cross_r"]),
            )
            for row in _rows("cross_model_transfer")
        ),
        agreements=tuple(
            PrintedAgreement(row["trait"], row["model_a"], row["model_b"], float(row["r"]))
            for row in _rows("behaviour_agreement")
        ),
        counts=tuple(
            PrintedCounts(
                row["model"],
                row["trait"],
                float(row["at_least"]),
                float(row["at_most"]),
                int(row["high"]),
                int(row["low"]),
            )
            for row in _rows("feasibility")
        ),
        scenarios=500,
        responses=1000,
        figures=figures,
    )


def _cell(row: dict[str, str]) -> StudyCell:
    return StudyCell(
        model=row["model"],
        trait=row["trait"],
        layer=int(row["layer"]),
        r=float(row["r"]),
        separation=float(row["separation"]),
        high_within_variance=float(row["high_within_variance"]),
        low_within_variance=float(row["low_within_variance"]),
        high_cosine=float(row["high_cosine"]),
        low_cosine=float(row["low_cosine"]),
        snr=float(row["snr"]),
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

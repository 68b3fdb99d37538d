"""The tables a study printed, as values."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.study_cell import CellRow


@dataclass(frozen=True)
class PublishedTransfer:
    """A row of the study's Evidence 1. Attributes: trait, models and the two printed r."""

    trait: str
    behaviour_model: str
    self_r: float
    activation_model: str
    cross_r: float


@dataclass(frozen=True)
class PublishedAgreement:
    """A cell of the study's Solution D. Attributes: trait, two models and their printed r."""

    trait: str
    first: str
    second: str
    r: float


@dataclass(frozen=True)
class PublishedCounts:
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


@dataclass(frozen=True)
class Reference:
    """Everything the study printed that an analysis can use.

    Attributes:
        cells: the 24 rows of its raw data.
        widths: model -> activation width.
        transfers: Evidence 1.
        agreements: Solution D.
        counts: Part 3 and Solution B.
        scenarios: number of scenarios behind every r.
        responses: number of scored responses per model and trait.
        figures: finding -> row -> the printed figure.
    """

    cells: tuple[CellRow, ...]
    widths: dict[str, int]
    transfers: tuple[PublishedTransfer, ...]
    agreements: tuple[PublishedAgreement, ...]
    counts: tuple[PublishedCounts, ...]
    scenarios: int
    responses: int
    figures: dict[str, dict[str, str]]

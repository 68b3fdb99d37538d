"""The published reference: the tables the study printed, bundled as data."""

from __future__ import annotations

import csv
from pathlib import Path

from backend.core.study_cell import CellRow
from backend.studies.published_tables import (
    PublishedAgreement,
    PublishedCounts,
    PublishedTransfer,
    Reference,
)

FOLDER = Path(__file__).resolve().parent.parent / "reference"
TITLE = "Published reference (tables only)"
# The study prints no widths; these are the models' published ones.
WIDTHS = {"llama3": 4096, "qwen2": 3584, "mistral": 4096}


def load_reference() -> Reference:
    """Read the bundled tables."""
    figures: dict[str, dict[str, str]] = {}
    for row in _rows("figures"):
        figures.setdefault(row["finding"], {})[row["row"]] = row["published"]
    return Reference(
        cells=tuple(_cell(row) for row in _rows("vector_diagnostics")),
        widths=dict(WIDTHS),
        transfers=tuple(
            PublishedTransfer(
                row["trait"],
                row["behaviour_model"],
                float(row["self_r"]),
                row["activation_model"],
                float(row["cross_r"]),
            )
            for row in _rows("cross_model_transfer")
        ),
        agreements=tuple(
            PublishedAgreement(row["trait"], row["model_a"], row["model_b"], float(row["r"]))
            for row in _rows("behaviour_agreement")
        ),
        counts=tuple(
            PublishedCounts(
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


def _cell(row: dict[str, str]) -> CellRow:
    return CellRow(
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

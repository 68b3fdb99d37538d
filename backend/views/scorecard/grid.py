"""The scorecard as the page's table of cells: r, interval, status and cause in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.store.run_values import RunSummary
from backend.views.scorecard.compute import Scorecard, ScorecardCell
from backend.views.scorecard.figures import hover_text
from backend.views.scorecard.words import count_line, interval_text
from backend.views.shared.style import STATUS_SIGNS, diverging, ink_on


@dataclass(frozen=True)
class GridCell:
    """What a cell says.

    Attributes:
        run: id of the run.
        trait: the trait.
        status: by the thresholds.
        r: with the sign of the status.
        interval: of r; empty where r is undefined.
        layer: at which r is taken; empty where r is undefined.
        cause: why it fails or what limits it; empty where nothing does, None while that is not
            known yet.
        about: everything that is known of r, line by line.
        fill: colour of the cell.
        ink: colour of its text.
    """

    run: str
    trait: str
    status: str
    r: str
    interval: str
    layer: str
    cause: str | None
    about: str
    fill: str
    ink: str


@dataclass(frozen=True)
class GridColumn:
    """A run. Attributes: its name, and how many traits work."""

    name: str
    count: str


@dataclass(frozen=True)
class GridRow:
    """A trait. Attributes: its name, and a cell for each run; None where a run lacks the trait."""

    name: str
    cells: tuple[GridCell | None, ...]


@dataclass(frozen=True)
class Grid:
    """The whole table. Attributes: columns, and rows."""

    columns: tuple[GridColumn, ...]
    rows: tuple[GridRow, ...]


def scorecard_cells(
    card: Scorecard,
    runs: Sequence[RunSummary],
    traits: Sequence[str],
    labels: Sequence[str],
    causes: Mapping[str, Mapping[str, str]] | None,
) -> Grid:
    """The table of a scorecard: traits down, runs across.

    Args:
        card: the numbers.
        runs: columns, in order.
        traits: rows, top to bottom.
        labels: name of each column, all different.
        causes: run id -> trait -> the diagnosis in a few words; None while it is being made.
    """
    columns = tuple(
        GridColumn(label, count_line(card.counts[run.run_id]))
        for run, label in zip(runs, labels, strict=True)
    )
    rows = tuple(
        GridRow(
            trait.replace("_", " "),
            tuple(_cell(card, run.run_id, trait, causes) for run in runs),
        )
        for trait in traits
    )
    return Grid(columns, rows)


def _cell(
    card: Scorecard, run_id: str, trait: str, causes: Mapping[str, Mapping[str, str]] | None
) -> GridCell | None:
    cell = card.cells.get((run_id, trait))
    if cell is None:
        return None
    fill = colour_of(cell.correlation.value)
    return GridCell(
        run=run_id,
        trait=trait,
        status=cell.status,
        r=_r(cell),
        interval="" if cell.correlation.value is None else interval_text(cell),
        layer="" if cell.layer is None else f"layer {cell.layer}",
        cause=None if causes is None else causes[run_id].get(trait, ""),
        about=hover_text(cell, card.target).replace("<br>", "\n"),
        fill=fill,
        ink=ink_on(fill),
    )


def _r(cell: ScorecardCell) -> str:
    value = cell.correlation.value
    return f"{STATUS_SIGNS[cell.status]} " + ("undefined" if value is None else f"{value:+.2f}")


def colour_of(r: float | None) -> str:
    """The heatmap's colour of an r, on a scale from -1 to 1; where there is no r, that of 0."""
    return diverging(0.0 if r is None else r)

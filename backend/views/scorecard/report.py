"""Which traits work where."""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from backend.views.scorecard.compute import Scorecard, ScorecardCell, scorecard
from backend.views.scorecard.figures import (
    count_rows,
    interval_text,
    scorecard_grid,
    scorecard_intervals,
)
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.view import View
from backend.views.transfer.model_cases import run_names


def _build(settings: Settings, view: View) -> Sequence[Block]:
    card = scorecard(settings, view.run_ids, view.prompt_set, view.layer)
    names = run_names(view.runs)
    traits = view.runs[-1].traits
    grid = scorecard_grid(card, view.runs, traits, names)
    # Only the cells: what lies over them leads to another page when clicked.
    grid.data = grid.data[:1]
    choice = (
        "The layer of each cell is the one with the highest r, so r is flattered by the choice, "
        "and its interval and p do not allow for it."
        if view.layer is None
        else f"All cells are taken at layer {view.layer}."
    )
    return (
        Text(choice),
        Chart(
            "r by trait and run",
            "Orange cells work, blue ones point the other way, grey ones say nothing; the "
            "bracket is the 95% interval.",
            grid,
        ),
        Table("", "", count_rows(card, view.runs, names, settings.thresholds)),
        Chart(
            "How sure is each r?",
            "A cell is only as good as its interval: one that reaches over a dotted threshold "
            "could as well have the next status.",
            scorecard_intervals(card, view.runs, traits, names, settings.thresholds),
        ),
        Table("The numbers", "", _rows(card, view, names)),
    )


def _rows(card: Scorecard, view: View, names: Sequence[str]) -> list[dict[str, object]]:
    return [
        {"trait": cell.trait.replace("_", " "), "run": name} | _numbers(cell, card.target)
        for trait in view.runs[-1].traits
        for run, name in zip(view.runs, names, strict=True)
        if (cell := card.cells.get((run.record.run_id, trait))) is not None
    ]


def _numbers(cell: ScorecardCell, target: str) -> dict[str, object]:
    c = cell.correlation
    over = f"r over {target}s"
    p = "undefined" if c.p is None else f"{c.p:.2g}"
    of = "given" if cell.of_layers == 1 else f"best of {cell.of_layers}"
    return {
        over: f"undefined: {c.reason}" if c.r is None else f"{c.r:+.3f}",
        "95% interval": interval_text(cell),
        "n": c.n,
        "p at this layer alone": p,
        "layer": "none" if cell.layer is None else f"{cell.layer} ({of})",
        "status": cell.status,
    }


SECTION = Section("scorecard", "Which traits work where?", "", _build, 6_000)

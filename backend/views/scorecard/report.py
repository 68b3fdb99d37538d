"""Which traits work where."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.catalog import run_names
from backend.views.scorecard import words
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid, scorecard_intervals
from backend.views.scorecard.tables import count_rows, number_rows
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    limits = results.thresholds
    card = results.of_runs(scorecard, view.run_ids, view.prompt_set, view.layer, limits)
    names = run_names(view.runs)
    traits = view.runs[-1].traits
    grid = scorecard_grid(card, view.runs, traits, names)
    misled = words.responders_sentence(card.cells.values())
    return (
        Text(
            words.BEST_LAYER
            if view.layer is None
            else f"All cells are taken at layer {view.layer}."
        ),
        *(() if misled is None else (Text(misled),)),
        Chart("r by trait and run", words.GRID, grid),
        Table("", "", count_rows(card, view.runs, names, limits)),
        Chart(
            "r with its interval",
            words.INTERVALS,
            scorecard_intervals(card, view.runs, traits, names, limits),
        ),
        Table("The numbers", "", number_rows(card, view.runs, traits, names)),
    )


SECTION = Section("scorecard", "Which traits work where?", "", _build, 6_000)

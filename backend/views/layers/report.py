"""Whether there is a better layer."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.catalog import run_names
from backend.store.run import Run
from backend.store.run_values import CellResult, RunSummary
from backend.views.layers import words
from backend.views.layers.compute import LayerChoice, choice_of, layer_choices
from backend.views.layers.figures import (
    LEFT_PANELS,
    RIGHT_PANELS,
    metric_panels,
    r_by_layer,
    r_heatmap,
)
from backend.views.layers.multiples import models_heatmap
from backend.views.layers.tables import choice_rows
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    def choices_of(run: RunSummary) -> tuple[LayerChoice, ...]:
        return results.of_run(layer_choices, run.run_id, view.prompt_set, results.thresholds)

    def cells_of(run: RunSummary) -> tuple[CellResult, ...]:
        return results.of_run(Run.cells, run.run_id, prompt_set=view.prompt_set)

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        choices = choices_of(run)
        return (
            Chart("Every trait at every layer", words.HEATMAP, r_heatmap(cells_of(run), choices)),
            Table("What the best layer is worth", words.BEST_LAYERS, choice_rows(choices)),
        )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        choice = choice_of(choices_of(run), trait)
        own = [found for found in cells_of(run) if found.key.trait == trait]
        line = "no best layer" if choice.layer is None else f"best layer {choice.layer}"
        return line, (
            Text(words.choice_sentence(choice)),
            Chart(
                "r by layer",
                words.R_BY_LAYER,
                r_by_layer(own, choice, results.thresholds, marked=view.layer),
            ),
            Chart(
                "The prompts by layer, in activation units",
                words.UNITS,
                metric_panels(LEFT_PANELS, own, choice.layer),
            ),
            Chart(
                "The prompts by layer, without units",
                words.PANEL_LINES,
                metric_panels(RIGHT_PANELS, own, choice.layer),
            ),
        )

    models: list[Block] = []
    if len(view.runs) > 1:
        panels = {
            name: (cells_of(run), choices_of(run))
            for run, name in zip(view.runs, run_names(view.runs), strict=True)
        }
        models.append(Chart("Every model", words.MODELS, models_heatmap(panels)))
    return (*models, *per_run(view, run_blocks), *per_cell(view, "layers", cell))


SECTION = Section("layers", "Is there a better layer?", "layers", _build, 40_000)

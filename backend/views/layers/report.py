"""Whether there is a better layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from backend.settings import Settings
from backend.store.run_values import CellResult, RunSummary
from backend.views.layers.compute import LayerChoice, layer_choices
from backend.views.layers.figures import r_by_layer, r_heatmap
from backend.views.layers.metric_figures import LEFT, RIGHT, metric_panels
from backend.views.layers.words import choice_rows, choice_sentence
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View


def _build(settings: Settings, view: View) -> Sequence[Block]:
    @cache
    def choices_of(run_id: str) -> tuple[LayerChoice, ...]:
        return layer_choices(settings, run_id, view.prompt_set)

    @cache
    def cells_of(run_id: str) -> tuple[CellResult, ...]:
        found = cells(settings, run_id)
        return tuple(cell for cell in found if cell.key.prompt_set == view.prompt_set)

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        run_id = run.record.run_id
        choices, every = choices_of(run_id), cells_of(run_id)
        return (
            Chart(
                "Every trait at every layer",
                "A real signal changes smoothly over layers and shows as a broad orange stretch; "
                "a lone orange cell is more likely chance. The best layer of each trait is framed.",
                r_heatmap(every, choices),
            ),
            Table(
                "What the best layer is worth",
                "p counts the choice among layers (permutations of the maximum, one-sided), "
                "adjusted p also that there are several traits (Benjamini-Hochberg), and held-out "
                "r is measured on scenarios the layer was not chosen on.",
                choice_rows(choices),
            ),
        )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        run_id = run.record.run_id
        choice = next(found for found in choices_of(run_id) if found.trait == trait)
        own = [found for found in cells_of(run_id) if found.key.trait == trait]
        line = "no best layer" if choice.layer is None else f"best layer {choice.layer}"
        return line, (
            Text(choice_sentence(choice)),
            Chart(
                "r by layer",
                "A layer beats chance where its point lies outside both grey bands: they hold 95% "
                "of the r of vectors that know nothing of the trait.",
                r_by_layer(own, choice, settings.thresholds, marked=view.layer),
            ),
            Chart(
                "The prompts by layer, in activation units",
                "Separation and within-class variance grow with the activations from layer to "
                "layer, so read them beside the next chart, which has no units.",
                metric_panels(LEFT, own, choice.layer),
            ),
            Chart(
                "The prompts by layer, without units",
                "The dotted line is the best layer; long dashes are chance.",
                metric_panels(RIGHT, own, choice.layer),
            ),
        )

    return (*per_run(view, run_blocks), *per_cell(view, "layers", cell))


SECTION = Section("layers", "Is there a better layer?", "layers", _build, 40_000)

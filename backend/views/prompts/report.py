"""Whether the prompts of each trait agree."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.prompts import words
from backend.views.prompts.compute import PromptView, prompt_view
from backend.views.prompts.figures import cosine_heatmap, norms_and_agreement
from backend.views.prompts.tables import metric_rows, pole_rows, prompt_text_rows
from backend.views.scorecard.compute import layer_to_show, scorecard
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    shown = [run.run_id for run in view.shown]
    card = results.of_runs(scorecard, shown, view.prompt_set, None, results.thresholds)

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        layer = layer_to_show(card, run, trait) if view.layer is None else view.layer
        prompts = results.of_run(
            prompt_view, run.run_id, trait, view.prompt_set, layer, clustered=True
        )
        return f"layer {layer}", _blocks(prompts, layer)

    return (Text(words.WHY), *per_cell(view, "prompts", cell))


def _blocks(prompts: PromptView, layer: int) -> Sequence[Block]:
    return (
        Text(f"Layer {layer}, {len(prompts.rows)} prompts."),
        Chart("Cosines of every pair of prompts", words.COSINES, cosine_heatmap(prompts)),
        Chart("Lengths and agreement", words.LENGTHS, norms_and_agreement(prompts)),
        Table("Within-class variance, raw and scale-free", words.VARIANCE, pole_rows(prompts.cell)),
        Fold("The prompts", [Table("", "", prompt_text_rows(prompts))]),
        Fold("Every metric, with its definition", [Table("", "", metric_rows(prompts.cell))]),
    )


SECTION = Section("prompts", "Do the prompts agree?", "prompts", _build, 500_000)

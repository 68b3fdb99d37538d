"""Whether the prompts of each trait agree."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.geometry.measure import Measure
from backend.settings import Settings
from backend.store.cells import cells
from backend.store.run_values import RunSummary
from backend.views.prompts.compute import PromptView, prompt_view
from backend.views.prompts.figures import (
    cosine_heatmap,
    metric_rows,
    norms_and_agreement,
    pole_rows,
)
from backend.views.scorecard.compute import layer_to_show, scorecard
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View


def _build(settings: Settings, view: View) -> Sequence[Block]:
    card = scorecard(settings, [run.record.run_id for run in view.shown], view.prompt_set, None)
    note = Text(
        "Vectors average the prompts of each pole: if those point in different directions, or one "
        "is far longer than the rest, the average stands for none of them."
    )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        layer = layer_to_show(card, run, trait) if view.layer is None else view.layer
        return f"layer {layer}", _blocks(settings, view, run.record.run_id, trait, layer)

    return (note, *per_cell(view, "prompts", cell))


def _blocks(settings: Settings, view: View, run_id: str, trait: str, layer: int) -> Sequence[Block]:
    prompts = prompt_view(settings, run_id, trait, view.prompt_set, layer, clustered=True)
    cell = next(
        cell
        for cell in cells(settings, run_id, trait)
        if (cell.key.prompt_set, cell.key.layer) == (view.prompt_set, layer)
    )
    return (
        Text(f"Layer {layer}, {len(prompts.rows)} prompts."),
        Chart(
            "Cosines of every pair of prompts",
            "Bright blocks on the diagonal are poles that agree; a dark stripe is a prompt that "
            "points elsewhere.",
            cosine_heatmap(prompts),
        ),
        Chart(
            "Lengths and agreement",
            "A prompt far to the right outweighs the others in the mean; one far below points "
            "another way.",
            norms_and_agreement(prompts),
        ),
        Table(
            "Within-class variance, raw and scale-free",
            "The raw variance grows with the square of the model's activation norm, so it cannot "
            "compare models; spread is the same quantity divided by the squared norm of the mean.",
            pole_rows(cell),
        ),
        Fold("The prompts", [Table("", "", _prompt_rows(prompts))]),
        Fold("Every metric, with its definition", [Table("", "", metric_rows(cell))]),
    )


def _prompt_rows(prompts: PromptView) -> list[dict[str, object]]:
    return [
        {
            "#": row.prompt_id,
            "pole": row.pole,
            "text": row.text,
            "norm": f"{row.norm:.4g}",
            "cosine to its pole": _text(row.to_own_pole, ".3f"),
            "turns the vector by (°)": _text(row.influence, ".1f"),
            "tokens": row.tokens,
        }
        for row in prompts.rows
    ]


def _text(measure: Measure, form: str) -> str:
    if measure.value is None:
        return f"undefined: {measure.reason}"
    return f"{measure.value:{form}}"


SECTION = Section("prompts", "Do the prompts agree?", "prompts", _build, 500_000)

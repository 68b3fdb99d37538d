"""What each vector separates."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.map import words
from backend.views.map.compute import layer_of_map, trait_map
from backend.views.map.figures import map_figure
from backend.views.shared.blocks import Block, Chart, Section, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        layer = view.layer
        if layer is None:
            layer = results.of_run(layer_of_map, run.run_id, trait, view.prompt_set)
        found = results.of_run(trait_map, run.run_id, trait, view.prompt_set, layer, "along")
        blocks: list[Block] = [Text(words.answer(found))]
        if found.reason is None:
            see = f"{words.READ} {words.left_out(found)}".strip()
            blocks.append(Chart(words.plane_title(found), see, map_figure(found)))
        return f"layer {layer}", blocks

    return per_cell(view, "map", cell)


SECTION = Section("map", "What does the vector separate?", "map", _build, 250_000)

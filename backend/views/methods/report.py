"""Which vector method wins."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.methods import words
from backend.views.methods.comparison import MethodComparison, method_choice, method_comparison
from backend.views.methods.cosines import vector_cosines
from backend.views.methods.differences import MethodDifferences, differences_on_traits
from backend.views.methods.figures import (
    cosine_map,
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
    subsample_cosine,
    subsample_r,
)
from backend.views.methods.subsampling import subsample_curve
from backend.views.methods.tables import choice_rows, method_rows, overall_rows, subsample_rows
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    layer = view.layer

    def compared(run: RunSummary) -> MethodComparison:
        return results.with_saved(method_comparison, [run.run_id], view.prompt_set, layer)

    def told_apart(run: RunSummary) -> MethodDifferences:
        return results.with_saved(differences_on_traits, [run.run_id], view.prompt_set, layer)

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        comparison = compared(run)
        grid = comparison.grid
        shown: words.Shown = "held_out" if layer is None else "best"
        saved = f" {words.SAVED}" if any(row.saved for row in grid.rows) else ""
        at = run.middle_layer if layer is None else layer
        cosines = results.of_runs(
            vector_cosines, [run.run_id], "traits", "", MEAN_DIFFERENCE, view.prompt_set, at
        )
        return (
            Text(words.overall_answer(comparison), "strong"),
            Chart(
                "Every method on every trait",
                words.grid_caption(grid, shown, layer) + saved,
                method_heatmap(grid, shown),
            ),
            Chart(
                "Which method wins over all traits?",
                words.overall_caption(layer),
                methods_overall(comparison),
            ),
            Table("", "", overall_rows(comparison, told_apart(run))),
            Chart(
                f"Cosines of the traits' vectors (mean difference, layer {at})",
                f"{words.COSINES} {words.cosines_answer(cosines)}",
                cosine_map(cosines),
            ),
        )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        comparison, differences = compared(run), told_apart(run)
        choice = results.of_run(method_choice, run.run_id, trait, view.prompt_set, layer)
        plain = comparison.grid.results.get((MEAN_DIFFERENCE, trait))
        best = layer if plain is None or plain.layer is None else plain.layer
        at = run.middle_layer if best is None else best
        curve = results.of_run(subsample_curve, run.run_id, trait, view.prompt_set, at)
        blocks: list[Block] = [
            Chart(
                "r by method",
                words.forest_caption(layer),
                method_forest(comparison.grid, trait),
            ),
            Chart(
                "Better than the mean difference?",
                words.differences_caption(differences, layer),
                method_differences(comparison.grid, differences, trait),
            ),
            Table("", "", method_rows(comparison.grid, differences, trait)),
            Table(
                "What is it worth to choose the winner?",
                words.choice_caption(choice),
                choice_rows(choice),
            ),
        ]
        if not curve.sizes:
            return "", [*blocks, Text(words.TOO_FEW_PROMPTS)]
        blocks += [
            Chart(
                f"How many prompts does a vector need? (layer {at})",
                words.subsets_caption(trait, at, curve),
                subsample_r(curve),
            ),
            Chart("The same, by cosine", words.SUBSETS_COSINE, subsample_cosine(curve)),
            Table("", "", subsample_rows(curve)),
        ]
        return "", blocks

    return (*per_run(view, run_blocks), *per_cell(view, "methods", cell))


SECTION = Section("methods", "Which vector method wins?", "methods", _build, 45_000)

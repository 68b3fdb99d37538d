"""Which vector method wins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.views.methods.comparison import MethodComparison, method_choice, method_comparison
from backend.views.methods.compute import METHOD, MethodGrid, method_grid
from backend.views.methods.figures import (
    FITTED_MARK,
    SAVED_MARK,
    Shown,
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
)
from backend.views.methods.subsampling import subsampling
from backend.views.methods.subsampling_figures import subsample_cosine, subsample_r, subsample_rows
from backend.views.methods.tables import choice_rows, method_rows, overall_rows
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View


def _build(settings: Settings, view: View) -> Sequence[Block]:
    @cache
    def read(run_id: str) -> tuple[MethodGrid, MethodComparison]:
        return (
            method_grid(settings, run_id, view.prompt_set, view.layer),
            method_comparison(settings, run_id, view.prompt_set, view.layer),
        )

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        return _run(*read(run.record.run_id), view.layer)

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        run_id = run.record.run_id
        grid, comparison = read(run_id)
        choice = method_choice(settings, run_id, trait, view.prompt_set, view.layer)
        plain = grid.cells.get((METHOD, trait))
        best = view.layer if plain is None or plain.layer is None else plain.layer
        layers = run.record.layers
        at = layers[len(layers) // 2] if best is None else best
        curve = subsampling(settings, run_id, trait, view.prompt_set, at)
        blocks: list[Block] = [
            Chart(
                "How sure is each r?",
                "Both intervals are of the same r: where Fisher's and the bootstrap's differ, "
                "trust neither end too far.",
                method_forest(grid, trait),
            ),
            Chart(
                "Better than the mean difference?",
                "Right of zero beats the study's method; ▲ and ▼ are sure by the "
                f"Benjamini-Hochberg p (5%) over all {comparison.tests()} comparisons of this run, "
                "and intervals are not adjusted.",
                method_differences(grid, comparison, trait),
            ),
            Table("", "", method_rows(grid, comparison, trait)),
            Table(
                "What is it worth to choose the winner?",
                f"The highest of {choice.candidates} r is partly luck, so the choice is made on "
                "one half of the scenarios and r taken on the other, over random splits.",
                choice_rows(choice),
            ),
        ]
        if not curve.sizes:
            few = "Too few prompts per pole to say how many a vector needs."
            return "", [*blocks, Text(few)]
        blocks += [
            Chart(
                f"How many prompts does a vector need? (layer {at})",
                "Bars hold 95% of vectors from random subsets; the grey area is the interval of r "
                "of all prompts.",
                subsample_r(curve),
            ),
            Chart(
                "The same, by cosine",
                "A subset is part of all prompts, which flatters its cosine to them; disjoint "
                "subsets share none.",
                subsample_cosine(curve),
            ),
            Table("", "", subsample_rows(curve)),
        ]
        return "", blocks

    return (*per_run(view, run_blocks), *per_cell(view, "methods", cell))


def _run(grid: MethodGrid, comparison: MethodComparison, layer: int | None) -> Sequence[Block]:
    shown: Shown = "fair" if layer is None else "best"
    where = "with the layer chosen on other scenarios" if layer is None else f"at layer {layer}"
    return (
        Chart(
            "Every method on every trait",
            f"r over {grid.target}s {where}; bold is the highest of a trait, which is chosen on "
            f"the data it is shown on. {FITTED_MARK} is fitted on scores and scored on others; "
            f"{SAVED_MARK} was saved in the Filter lab, perhaps for its r. – is undefined, empty "
            "is not computed.",
            method_heatmap(grid, shown),
        ),
        Chart(
            "Which method wins over all traits?",
            "The difference of Fisher's z to the mean difference, averaged over traits; traits "
            "share their responses, so the interval is too narrow rather than too wide.",
            methods_overall(grid, comparison),
        ),
        Table("", "", overall_rows(grid, comparison)),
    )


SECTION = Section("methods", "Which vector method wins?", "methods", _build, 45_000)

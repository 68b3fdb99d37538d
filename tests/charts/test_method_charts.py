"""The Methods page's charts and tables hold the numbers of its queries."""

from __future__ import annotations

import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.views.methods.comparison import method_choice, method_comparison
from backend.views.methods.compute import method_grid
from backend.views.methods.figures import (
    marked,
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
)
from backend.views.methods.subsampling import SubsampleCurve, SubsampleSize
from backend.views.methods.subsampling_figures import subsample_cosine, subsample_r, subsample_rows
from backend.views.methods.tables import choice_rows, method_rows, overall_rows
from tests.support.phantom_store import publish_small_phantom


@pytest.fixture
def run_id(settings):
    return publish_small_phantom(settings)[1][0]


def points(figure):
    """Trace name -> (row, value, low, high) of each of its points."""
    return {
        trace.name: [
            (y, x, x - down, x + up)
            for x, y, up, down in zip(
                trace.x, trace.y, trace.error_x.array, trace.error_x.arrayminus, strict=True
            )
        ]
        for trace in figure.data
    }


def test_the_heatmap_is_fair_or_flattered_as_asked(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    for shown in ("fair", "best"):
        heatmap = method_heatmap(grid, shown).data[0]
        for i, row in enumerate(grid.rows):
            for j, trait in enumerate(grid.traits):
                cell = grid.cells.get((row.name, trait))
                if cell is None:
                    assert heatmap.z[i][j] is None and heatmap.text[i][j] == ""
                    assert "not computed in this run" in heatmap.customdata[i][j]
                    continue
                expected = cell.fair().value if shown == "fair" else cell.correlation.value
                assert heatmap.z[i][j] == expected
        bold = [sum("<b>" in texts[j] for texts in heatmap.text) for j in range(len(grid.traits))]
        assert min(bold) >= 1
    assert sum("†" in label for label in heatmap.y) == 4


def test_the_forest_draws_both_intervals_and_the_held_out_layer(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    trait = grid.traits[2]
    drawn = points(method_forest(grid, trait))
    assert len(drawn) == 3
    for row, value, low, high in drawn["r, bootstrap interval"]:
        cell = grid.cells[grid.rows[round(row)].name, trait]
        assert (value, low, high) == pytest.approx(
            (cell.correlation.value, cell.bootstrap.low, cell.bootstrap.high)
        )
    for row, value, low, high in drawn["r, Fisher's interval"]:
        c = grid.cells[grid.rows[round(row)].name, trait].correlation
        assert (value, low, high) == pytest.approx((c.r, c.low, c.high))
    absent = [note.text for note in method_forest(grid, trait).layout.annotations]
    assert absent.count("not computed in this run") == 3
    at_a_layer = method_forest(method_grid(settings, run_id, "default", 1), trait)
    assert len(at_a_layer.data) == 2


def test_refused_methods_are_listed_with_their_reason(settings, run_id):
    for layer in (1, 2, 3):
        grid = method_grid(settings, run_id, "default", layer)
        refused = [key for key, cell in grid.cells.items() if cell.correlation.value is None]
        if refused:
            break
    name, trait = refused[0]
    comparison = method_comparison(settings, run_id, "default", layer)
    row = next(r for r in grid.rows if r.name == name)
    table = {line["method"]: line for line in method_rows(grid, comparison, trait)}
    reason = grid.cells[name, trait].correlation.reason
    assert table[marked(row)]["r (Fisher)"] == f"undefined: {reason}"
    notes = " ".join(n.text for n in method_forest(grid, trait).layout.annotations)
    assert reason.split(";")[0] in notes.replace("<br>", " ")


def test_differences_and_the_comparison_over_traits_are_drawn(settings, run_id):
    grid = method_grid(settings, run_id, "default")
    comparison = method_comparison(settings, run_id, "default")
    trait = grid.traits[0]
    rows = [r for r in grid.rows if (r.name, trait) in comparison.differences]
    for figure, found in (
        (
            method_differences(grid, comparison, trait),
            [comparison.differences[r.name, trait].difference for r in rows],
        ),
        (
            methods_overall(grid, comparison),
            [comparison.overall[r.name].z for r in grid.rows if r.name in comparison.overall],
        ),
    ):
        drawn = {round(p[0]): p[1:] for own in points(figure).values() for p in own}
        for place, estimate in enumerate(found):
            if estimate.low is not None:
                assert drawn[place] == pytest.approx((estimate.value, estimate.low, estimate.high))
    table = {line["method"]: line for line in overall_rows(grid, comparison)}
    assert len(table) == len(grid.rows) - 1
    assert table["Ridge probe on drift\u00a0†"]["traits"] == str(len(grid.traits))
    logistic = next(line for name, line in table.items() if name.startswith("Logistic"))
    assert logistic["difference of z"] == "not computed in this run"
    choice = method_choice(settings, run_id, trait, "default")
    lines = choice_rows(choice)
    assert [
        f"{e.value:+.2f}" in line["r"]
        for e, line in zip((choice.highest, choice.held_out, choice.baseline), lines, strict=True)
    ] == [True] * 3


def test_a_saved_vector_is_marked_and_only_on_its_trait(settings, run_id):
    traits = method_grid(settings, run_id, "default").traits
    save_vector(settings, "mine", run_id, traits[0], "default", 1, Pipeline())
    grid = method_grid(settings, run_id, "default")
    heatmap = method_heatmap(grid, "fair").data[0]
    assert heatmap.y[-1] == "mine\u00a0‡"
    assert "flattered" in heatmap.customdata[-1][0]
    assert "another trait" in heatmap.customdata[-1][1]
    comparison = method_comparison(settings, run_id, "default")
    names = [line["method"] for line in method_rows(grid, comparison, traits[1])]
    assert "mine\u00a0‡" not in names


def test_the_curve_is_drawn_with_its_bands():
    sizes = (
        SubsampleSize(5, (0.8, 0.7, 0.9), 0.6, (0.2, 0.1, 0.3)),
        SubsampleSize(10, (1.0, 1.0, 1.0), None, None),
    )
    curve = SubsampleCurve(sizes, (10, 10), Correlation(50, 0.3, 0.02, 0.53, 0.03), "drift")
    (r,) = subsample_r(curve).data
    assert list(r.x) == [5] and list(r.y) == [0.2]
    assert (r.error_y.array[0], r.error_y.arrayminus[0]) == pytest.approx((0.1, 0.1))
    figure = subsample_r(curve)
    assert [(s.y0, s.y1) for s in figure.layout.shapes if s.type == "rect"] == [(0.02, 0.53)]
    assert figure.layout.yaxis.range[1] > 0.53
    cosine, apart = subsample_cosine(curve).data
    assert list(cosine.y) == [0.8, 1.0] and list(apart.x) == [5]
    assert subsample_rows(curve)[1] == {
        "prompts per pole": 10,
        "r, mean and 95% of draws": "undefined",
        "cosine to all, mean and 95% of draws": "+1.000 [+1.000, +1.000]",
        "cosine of disjoint subsets": "too few prompts for two",
    }

"""The charts and tables of methods hold what was computed and nothing else."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.core.vectors.pipeline import Pipeline
from backend.core.vectors.subsampling import SubsampleSize
from backend.runs.saved_vectors import save_vector
from backend.views.methods.comparison import method_choice, method_comparison
from backend.views.methods.differences import differences_on_traits
from backend.views.methods.figures import (
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
    subsample_cosine,
    subsample_r,
)
from backend.views.methods.subsampling import SubsampleCurve
from backend.views.methods.tables import choice_rows, method_rows, overall_rows, subsample_rows
from backend.views.methods.words import marked
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results


@pytest.fixture
def run_id(settings):
    return publish_small_phantom(settings)[1][0]


def compared(settings, run_id, layer=None):
    """Every method of a run's default prompts."""
    return results(settings).with_saved(method_comparison, [run_id], "default", layer)


def told_apart(settings, run_id, layer=None):
    """Every method of a run against the mean difference, trait by trait."""
    return results(settings).with_saved(differences_on_traits, [run_id], "default", layer)


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


def test_the_heatmap_is_held_out_or_flattered_as_asked(settings, run_id):
    grid = compared(settings, run_id).grid
    for shown in ("held_out", "best"):
        heatmap = method_heatmap(grid, shown).data[0]
        for i, row in enumerate(grid.rows):
            for j, trait in enumerate(grid.traits):
                result = grid.results.get((row.name, trait))
                if result is None:
                    assert heatmap.z[i][j] is None and heatmap.text[i][j] == ""
                    assert "not computed in this run" in heatmap.customdata[i][j]
                    continue
                expected = (
                    result.selection_free_r().value
                    if shown == "held_out"
                    else result.correlation.value
                )
                assert heatmap.z[i][j] == expected
        bold = [sum("<b>" in texts[j] for texts in heatmap.text) for j in range(len(grid.traits))]
        assert min(bold) >= 1
    assert sum("†" in label for label in heatmap.y) == 4


def test_the_forest_draws_both_intervals_and_the_held_out_layer(settings, run_id):
    grid = compared(settings, run_id).grid
    trait = grid.traits[2]
    drawn = points(method_forest(grid, trait))
    assert len(drawn) == 3
    for row, value, low, high in drawn["r, bootstrap interval"]:
        result = grid.results[grid.rows[round(row)].name, trait]
        assert (value, low, high) == pytest.approx(
            (result.correlation.value, result.bootstrap.low, result.bootstrap.high)
        )
    for row, value, low, high in drawn["r, Fisher's interval"]:
        c = grid.results[grid.rows[round(row)].name, trait].correlation
        assert (value, low, high) == pytest.approx((c.value, c.low, c.high))
    absent = [note.text for note in method_forest(grid, trait).layout.annotations]
    assert absent.count("not computed in this run") == 3
    at_a_layer = method_forest(compared(settings, run_id, 1).grid, trait)
    assert len(at_a_layer.data) == 2


def test_refused_methods_are_listed_with_their_reason(settings, run_id):
    for layer in (1, 2, 3):
        comparison = compared(settings, run_id, layer)
        grid = comparison.grid
        refused = [key for key, result in grid.results.items() if result.correlation.value is None]
        if refused:
            break
    name, trait = refused[0]
    row = next(r for r in grid.rows if r.name == name)
    table = {
        line["method"]: line
        for line in method_rows(grid, told_apart(settings, run_id, layer), trait)
    }
    reason = grid.results[name, trait].correlation.reason
    assert table[marked(row)]["r (Fisher)"] == f"undefined: {reason}"
    notes = " ".join(n.text for n in method_forest(grid, trait).layout.annotations)
    assert reason.split(";")[0] in notes.replace("<br>", " ")


def test_differences_and_the_comparison_over_traits_are_drawn(settings, run_id):
    comparison = compared(settings, run_id)
    grid = comparison.grid
    trait = grid.traits[0]
    apart = told_apart(settings, run_id)
    rows = [r for r in grid.rows if (r.name, trait) in apart.methods]
    for figure, found in (
        (
            method_differences(grid, apart, trait),
            [apart.methods[r.name, trait].difference for r in rows],
        ),
        (
            methods_overall(comparison),
            [comparison.overall[r.name].z for r in grid.rows if r.name in comparison.overall],
        ),
    ):
        drawn = {round(p[0]): p[1:] for own in points(figure).values() for p in own}
        for place, estimate in enumerate(found):
            if estimate.low is not None:
                assert drawn[place] == pytest.approx((estimate.value, estimate.low, estimate.high))
    table = {line["method"]: line for line in overall_rows(comparison, apart)}
    assert len(table) == len(grid.rows) - 1
    assert table["Ridge probe on drift\u00a0†"]["traits"] == str(len(grid.traits))
    logistic = next(line for name, line in table.items() if name.startswith("Logistic"))
    assert logistic["difference of z"] == "not computed in this run"
    choice = results(settings).of_run(method_choice, run_id, trait, "default")
    lines = choice_rows(choice)
    assert [
        f"{e.value:+.2f}" in line["r"]
        for e, line in zip((choice.highest, choice.held_out, choice.baseline), lines, strict=True)
    ] == [True] * 3


def test_a_saved_vector_is_marked_and_only_on_its_trait(settings, run_id):
    traits = compared(settings, run_id).grid.traits
    save_vector(settings, "mine", run_id, traits[0], "default", 1, Pipeline())
    comparison = compared(settings, run_id)
    grid = comparison.grid
    heatmap = method_heatmap(grid, "held_out").data[0]
    assert heatmap.y[-1] == "mine\u00a0‡"
    assert "inflated by selection" in heatmap.customdata[-1][0]
    assert "another trait" in heatmap.customdata[-1][1]
    names = [line["method"] for line in method_rows(grid, told_apart(settings, run_id), traits[1])]
    assert "mine\u00a0‡" not in names


def test_the_curve_is_drawn_with_its_bands():
    sizes = (
        SubsampleSize(5, (0.8, 0.7, 0.9), 0.6, (0.2, 0.1, 0.3)),
        SubsampleSize(10, (1.0, 1.0, 1.0), None, None),
    )
    curve = SubsampleCurve(sizes, (10, 10), Estimate(0.3, 0.02, 0.53, 0.03, 50), "drift")
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

"""Charts and tables of the scores hold what was computed and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.views.layers.compute import layer_choices
from backend.views.scores.compute import score_columns
from backend.views.scores.feasibility import feasibility
from backend.views.scores.figures import (
    all_scores,
    drift_histogram,
    length_and_projection,
    pearson_beside_spearman,
    pole_counts,
    projection_and_score,
    score_histogram,
    stability_forest,
)
from backend.views.scores.links import score_links
from backend.views.scores.tables import link_rows, rank_rows, use_rows
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import long_study


@pytest.fixture
def phantom(settings):
    """Results of a store, and a run of it."""
    _, (run_id, _) = publish_small_phantom(settings)
    return results(settings), run_id


def trace(figure, name):
    return next(t for t in figure.data if (t.name or "").startswith(name))


def test_scores_charts_hold_the_columns(phantom):
    results, run_id = phantom
    choices = results.of_run(layer_choices, run_id, "default", results.thresholds)
    columns = results.of_run(score_columns, run_id)
    column = columns[0]
    first, last = score_histogram(column).data
    assert (first.y, last.y) == (column.first.counts, column.last.counts)
    assert first.x == column.first.centres and "n = 60" in first.name
    assert f"[{column.last.sd.low:.2f}, {column.last.sd.high:.2f}]" in last.name
    assert drift_histogram(column, column.drift).data[0].y == column.drift.counts
    heatmap = all_scores(columns, "trait_1").data[0]
    np.testing.assert_allclose(np.sum(heatmap.z, axis=1), 1.0)
    row = use_rows(columns)[0]
    assert row["floor"].startswith(f"{column.floor.value:.0%} [") and row["cases"] == "60"
    drawn = stability_forest(columns).data[0]
    assert list(drawn.x) == [c.stability.value for c in columns]
    assert drawn.x[0] - drawn.error_x.arrayminus[0] == pytest.approx(column.stability.low)
    pearson, spearman = pearson_beside_spearman(choices).data
    assert list(pearson.x) == [c.correlation.value for c in choices]
    assert list(spearman.x) == [c.rank.value for c in choices]
    assert spearman.x[1] + spearman.error_x.array[1] == pytest.approx(choices[1].rank.high)
    difference = choices[0].rank.value - choices[0].correlation.value
    assert rank_rows(choices)[0]["rho − r"] == f"{difference:+.3f}"


def test_pole_counts_name_the_pole_with_too_few(phantom):
    results, run_id = phantom
    found = results.of_run(feasibility, run_id, 10.0, 5.0)
    low, high = pole_counts(found).data
    counts = list(found.counts.values())
    assert [-x for x in low.x] == [c.low for c in counts]
    assert list(high.x) == [c.high for c in counts]
    for text, count in zip(high.text, counts, strict=True):
        assert ("too few" in text) == (count.high < 20)


def test_scatters_hold_every_case_and_their_line(phantom):
    results, run_id = phantom
    links = results.of_run(score_links, run_id, "default", "trait_2", 2)
    for figure, x, y, line in (
        (projection_and_score(links), links.projection, links.cases.behaviour, links.line),
        (length_and_projection(links), links.cases.length, links.projection, links.length_line),
    ):
        points = trace(figure, "cases (n = 60)")
        np.testing.assert_array_equal(points.x, x)
        np.testing.assert_array_equal(points.y, y)
        np.testing.assert_array_equal(trace(figure, "least squares").y, line.y)
        edge = trace(figure, "95% band")
        assert edge.y[0] == line.low[0] and edge.y[len(line.x) - 1] == line.low[-1]
        assert links.cases.scenarios[5] in points.customdata[5]
        scores = f"{links.cases.first[5]:g} at t1, {links.cases.last[5]:g} at tN"
        assert scores in points.customdata[5]
        assert "units" in figure.layout.yaxis.title.text
    rows = link_rows(links.rows)
    assert rows[0]["r, 95% interval"].startswith(f"{links.rows[0].estimate.value:+.2f} [")


@pytest.mark.parametrize(
    ("left_out", "first", "last"),
    [(None, "t1", "t3"), ("t3", "the first turn", "the last turn")],
)
def test_turns_have_the_studys_names_and_axes_its_range(
    settings, tiny_llama, left_out, first, last
):
    study = long_study(conversations=6, turns=3)
    kept = tuple(r for r in study.responses if (r.scenario, r.turn) != ("c00", left_out))
    study = dataclasses.replace(study, responses=kept, score_range=(-2.0, 12.0))
    publish_run(settings, study, tiny_llama, "run-1", (1,))
    columns = results(settings).of_run(score_columns, "run-1")
    column = columns[0]
    histogram = score_histogram(column)
    named = zip(histogram.data, (first, last), strict=True)
    assert all(trace.name.startswith(name) for trace, name in named)
    assert histogram.layout.xaxis.title.text == "score (-2 to 12)"
    drifts = drift_histogram(column, column.drift)
    wanted = f"score at {last} minus {first} (units of a score of -2 to 12)"
    assert drifts.layout.xaxis.title.text == wanted
    assert all_scores(columns, "").layout.xaxis.title.text == "score (-2 to 12)"
    forest = stability_forest(columns)
    assert forest.layout.xaxis.title.text == f"r of {first} and {last}, 95% interval"
    assert {f"sd at {first}", f"sd at {last}"} <= use_rows(columns)[0].keys()
    links = results(settings).of_run(score_links, "run-1", "default", "warmth", 1)
    figure = projection_and_score(links)
    assert figure.layout.yaxis.title.text.startswith("score drift (units of a score of -2 to 12)")
    hovers = [text for t in figure.data for text in (t.text if t.text is not None else ())]
    hovers = hovers or [str(t.customdata) for t in figure.data]
    assert f" at {first}, " in str(hovers) and f" at {last}" in str(hovers)

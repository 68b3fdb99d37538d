"""Charts of the Layers and Scores pages show the numbers of their queries and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from backend.store.cells import cells

from backend.core.estimate import Estimate
from backend.settings import StatusThresholds
from backend.views.layers.compute import layer_choices
from backend.views.layers.figures import r_by_layer, r_heatmap
from backend.views.layers.metric_figures import LEFT, RIGHT, metric_panels
from backend.views.layers.words import choice_rows, choice_sentence, layer_sentence
from backend.views.scores.compute import score_columns
from backend.views.scores.feasibility import feasibility
from backend.views.scores.figures import (
    all_scores,
    drift_histogram,
    pearson_beside_spearman,
    pole_counts,
    rank_rows,
    score_histogram,
    stability_forest,
    use_rows,
)
from backend.views.scores.link_figures import length_and_projection, link_rows, projection_and_score
from backend.views.scores.links import score_links
from backend.views.shared.intervals import band, forest
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def phantom(settings):
    """Settings, a run, its cells of one trait, and the best layers."""
    _, (run_id, _) = publish_small_phantom(settings)
    own = cells(settings, run_id, "trait_3")
    return settings, run_id, own, layer_choices(settings, run_id, "default")


def trace(figure, name):
    return next(t for t in figure.data if (t.name or "").startswith(name))


def test_r_by_layer_draws_r_band_best_and_controls(phantom):
    settings, run_id, own, choices = phantom
    others = cells(settings, run_id, "trait_1")
    for interval in ("fisher", "bootstrap"):
        figure = r_by_layer(
            own,
            choices[2],
            StatusThresholds(),
            interval=interval,
            faint={"trait 1": others},
            marked=3,
        )
        line = trace(figure, "r of trait 3")
        assert list(line.x) == [1, 2, 3]
        assert list(line.y) == [c.correlation.value for c in own]
        ends = [c.correlation if interval == "fisher" else c.bootstrap for c in own]
        edge = trace(figure, "95% interval")
        assert list(edge.y[:3]) == [e.low for e in ends]
        assert list(edge.y[3:6]) == [e.high for e in reversed(ends)]
        assert list(trace(figure, "trait 1").y) == [c.correlation.value for c in others]
        star = trace(figure, "best layer")
        assert (star.x[0], star.y[0]) == (choices[2].layer, choices[2].correlation.value)
        for kind, name in (("shuffled_labels", "shuffled"), ("random_direction", "random")):
            assert list(trace(figure, name).y[:3]) == [c.controls[kind].low for c in own]
        levels = {shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1}
        assert {0.2, 0.3, 0.0, choices[2].null_95} <= levels
        assert figure.layout.yaxis.title.text == "r over drifts"
    hover = line.customdata[0]
    assert f"{own[0].bootstrap.low:+.2f}" in hover and "n = 60" in hover


def test_a_band_breaks_where_it_is_undefined():
    drawn = band(
        [1, 2, 3, 4], [0.0, 0.1, None, 0.3], [1.0, 1.1, None, 1.3], name="b", colour="#0072B2"
    )
    assert drawn.x == (1, 2, 2, 1, 1, None, 4, 4, 4)
    assert drawn.y == (0.0, 0.1, 1.1, 1.0, 0.0, None, 0.3, 1.3, 0.3)


def test_the_heatmap_is_centred_and_frames_the_best(phantom):
    settings, run_id, _, choices = phantom
    every = cells(settings, run_id)
    figure = r_heatmap(every, choices, "trait_3")
    heatmap = figure.data[0]
    for row, choice in enumerate(choices):
        own = [c.correlation.value for c in every if c.key.trait == choice.trait]
        assert list(heatmap.z[row]) == own
        frame = figure.layout.shapes[row]
        assert frame.x0 + 0.5 == choice.layers.index(choice.layer) and frame.y0 + 0.5 == row
    assert heatmap.zmid == 0 and heatmap.zmin == -heatmap.zmax
    assert heatmap.zmax == max(abs(r) for row in heatmap.z for r in row)


def test_the_sentence_says_what_the_best_layer_is_worth(phantom):
    _, _, own, choices = phantom
    choice = choices[2]
    said = choice_sentence(choice)
    for part in (
        f"Layer {choice.layer} is the best of 3: r = {choice.correlation.value:+.2f} (n = 60)",
        f"chance alone reaches {choice.null_95:+.2f} in 5% of shuffles (p = {choice.p:.2g})",
        f"not chosen on, r = {choice.held_out.value:+.2f} [{choice.held_out.low:+.2f}, ",
    ):
        assert part in said
    weak = dataclasses.replace(choice, p=0.4, beyond="later")
    assert "by chance. It is the last layer extracted" in choice_sentence(weak)
    assert "a better one may lie before it" in choice_sentence(
        dataclasses.replace(choice, beyond="earlier")
    )
    at = layer_sentence(own[0])
    assert f"p = {own[0].controls['shuffled_labels'].p:.2g}" in at
    row = choice_rows(choices)[2]
    assert row["p of the best"] == f"{choice.p:.4f}"
    assert row["p adjusted"] == f"{choice.adjusted_p:.4f}" and row["n"] == "60"


def test_panels_hold_every_metric_with_its_unit(phantom):
    settings, run_id, own, choices = phantom
    others = cells(settings, run_id, "trait_1")
    for panels in (LEFT, RIGHT):
        figure = metric_panels(panels, own, choices[2].layer, {"x": others}, logarithmic=True)
        drawn = [list(t.y) for t in figure.data]
        for panel in panels:
            for metric in panel.metrics:
                assert [c.metrics[metric].value for c in own] in drawn
                assert [c.metrics[metric].value for c in others] in drawn
        titles = " ".join(a.text for a in figure.layout.annotations)
        assert all(f"{panel.title} (" in titles for panel in panels)
    titles = {a.text for a in metric_panels(LEFT, own, None).layout.annotations}
    assert {"Separation (activation units)", "Within-class variance (activation²)"} <= titles


def test_undefined_r_and_metrics_say_why(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare")
    own = cells(settings, "bare", "haste")
    choice = layer_choices(settings, "bare", "default")[1]
    figure = r_by_layer(own, choice, StatusThresholds())
    assert list(trace(figure, "r of haste").y) == [None, None]
    assert "at least 3" in trace(figure, "r of haste").customdata[0]
    assert "There is no best layer: r is undefined, as r needs at least 3" in choice_sentence(
        choice
    )
    lost = dataclasses.replace(own[0].metrics["auroc"], value=None, reason="one prompt only")
    broken = [dataclasses.replace(c, metrics=c.metrics | {"auroc": lost}) for c in own]
    texts = " ".join(a.text for a in metric_panels(RIGHT, broken, None).layout.annotations)
    assert "undefined at every layer: one prompt only" in texts


def test_a_single_layer_was_not_chosen(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "one", (1,))
    choice = layer_choices(settings, "one", "default")[0]
    assert "the only one extracted" in choice_sentence(choice) and "n = 12" in choice_sentence(
        choice
    )
    figure = r_by_layer(cells(settings, "one", "warmth"), choice, StatusThresholds())
    edge = trace(figure, "95% interval")
    assert {edge.y[0], edge.y[1]} == {choice.correlation.low, choice.correlation.high}


def test_scores_charts_hold_the_columns(phantom):
    settings, run_id, _, choices = phantom
    columns = score_columns(settings, run_id)
    column = columns[0]
    first, last = score_histogram(column).data
    assert (first.y, last.y) == (column.first.counts, column.last.counts)
    assert first.x == column.first.centres and "n = 60" in first.name
    assert f"[{column.last.sd.low:.2f}, {column.last.sd.high:.2f}]" in last.name
    assert drift_histogram(column.drift).data[0].y == column.drift.counts
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
    settings, run_id, _, _ = phantom
    found = feasibility(settings, run_id, 10.0, 5.0)
    low, high = pole_counts(found).data
    counts = list(found.counts.values())
    assert [-x for x in low.x] == [c.low for c in counts]
    assert list(high.x) == [c.high for c in counts]
    for text, count in zip(high.text, counts, strict=True):
        assert ("too few" in text) == (count.high < 20)


def test_scatters_hold_every_case_and_their_line(phantom):
    settings, run_id, _, _ = phantom
    links = score_links(settings, run_id, "default", "trait_2", 2)
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
    assert rows[0]["r, 95% interval"].startswith(f"{links.r.value:+.2f} [")


def test_a_forest_leaves_out_what_is_undefined_and_says_so():
    found = [Estimate(0.3, 0.1, 0.5, None, 20), Estimate.undefined(2, "too few")]
    figure = forest(["a_b", "c"], [("r", "#0072B2", "circle", found)], title="r")
    assert list(figure.data[0].x) == [0.3]
    (note,) = [a for a in figure.layout.annotations if "undefined" in a.text]
    assert note.hovertext == "too few"

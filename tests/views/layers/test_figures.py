"""Charts, sentences and tables of the layers hold what was computed and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from backend.settings import StatusThresholds
from backend.store.run import NOT_COMPUTED
from backend.views.layers.compute import layer_choices
from backend.views.layers.figures import (
    LEFT_PANELS,
    RIGHT_PANELS,
    metric_panels,
    r_by_layer,
    r_heatmap,
)
from backend.views.layers.multiples import models_heatmap
from backend.views.layers.tables import choice_rows
from backend.views.layers.words import choice_sentence, layer_sentence
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import cells, results
from tests.support.runs import publish_run
from tests.support.studies import small_study


def choices_of(settings, run_id):
    """The best layers of a run's default prompts."""
    return results(settings).of_run(layer_choices, run_id, "default", settings.thresholds)


@pytest.fixture
def phantom(settings):
    """Settings, a run, its cells of one trait, and the best layers."""
    _, (run_id, _) = publish_small_phantom(settings)
    own = cells(settings, run_id, "trait_3")
    return settings, run_id, own, choices_of(settings, run_id)


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
    for panels in (LEFT_PANELS, RIGHT_PANELS):
        figure = metric_panels(panels, own, choices[2].layer, {"x": others}, logarithmic=True)
        drawn = [list(t.y) for t in figure.data]
        for panel in panels:
            for metric in panel.metrics:
                assert [c.metrics[metric].value for c in own] in drawn
                assert [c.metrics[metric].value for c in others] in drawn
        titles = " ".join(a.text for a in figure.layout.annotations)
        assert all(f"{panel.title} (" in titles for panel in panels)
    titles = {a.text for a in metric_panels(LEFT_PANELS, own, None).layout.annotations}
    assert {"Separation (activation units)", "Within-class variance (activation²)"} <= titles


def test_undefined_r_and_metrics_say_why(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare")
    own = cells(settings, "bare", "haste")
    choice = choices_of(settings, "bare")[1]
    figure = r_by_layer(own, choice, StatusThresholds())
    assert list(trace(figure, "r of haste").y) == [None, None]
    assert "at least 3" in trace(figure, "r of haste").customdata[0]
    assert "There is no best layer: r is undefined, as r needs at least 3" in choice_sentence(
        choice
    )
    lost = dataclasses.replace(own[0].metrics["auroc"], value=None, reason="one prompt only")
    broken = [dataclasses.replace(c, metrics=c.metrics | {"auroc": lost}) for c in own]
    texts = " ".join(a.text for a in metric_panels(RIGHT_PANELS, broken, None).layout.annotations)
    assert "undefined at every layer: one prompt only" in texts


def test_a_single_layer_was_not_chosen(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "one", (1,))
    choice = choices_of(settings, "one")[0]
    assert "the only one extracted" in choice_sentence(choice) and "n = 12" in choice_sentence(
        choice
    )
    figure = r_by_layer(cells(settings, "one", "warmth"), choice, StatusThresholds())
    edge = trace(figure, "95% interval")
    assert {edge.y[0], edge.y[1]} == {choice.correlation.low, choice.correlation.high}


def test_what_an_older_run_lacks_is_said(phantom):
    _, _, own, choices = phantom
    bare = [dataclasses.replace(c, controls={}) for c in own]
    names = [t.name for t in r_by_layer(bare, choices[2], StatusThresholds()).data]
    assert [name for name in names if name.endswith(NOT_COMPUTED)] == [
        f"random directions, 95%: {NOT_COMPUTED}",
        f"shuffled labels, 95%: {NOT_COMPUTED}",
    ]
    line = trace(r_by_layer(bare, choices[2], StatusThresholds()), "r of trait 3")
    assert f"shuffled labels, 95%: {NOT_COMPUTED}" in line.customdata[0]
    assert f"random directions: {NOT_COMPUTED}" in layer_sentence(bare[0])
    lost = dataclasses.replace(own[0].metrics["dominance"], value=None, reason=NOT_COMPUTED)
    older = [dataclasses.replace(c, metrics=c.metrics | {"dominance": lost}) for c in own]
    texts = " ".join(a.text for a in metric_panels(RIGHT_PANELS, older, None).layout.annotations)
    assert f"undefined at every layer: {NOT_COMPUTED}" in texts.replace("<br>", " ")


def test_every_model_has_its_panel_on_one_colour_scale(settings):
    _, run_ids = publish_small_phantom(settings)
    found = results(settings)
    models = {
        run_id: (
            cells(settings, run_id),
            found.of_run(layer_choices, run_id, "default", settings.thresholds),
        )
        for run_id in run_ids
    }
    figure = models_heatmap(models)
    assert [a.text.replace("<br>", "") for a in figure.layout.annotations] == list(run_ids)
    for panel, (own, choices) in zip(figure.data, models.values(), strict=True):
        assert panel.coloraxis == "coloraxis"
        for row, choice in enumerate(choices):
            for column, layer in enumerate(choice.layers):
                (cell,) = [c for c in own if (c.key.trait, c.key.layer) == (choice.trait, layer)]
                assert panel.z[row][column] == cell.correlation.value
    framed = sum(c.layer is not None for _, choices in models.values() for c in choices)
    assert len(figure.layout.shapes) == framed
    largest = max(abs(r) for panel in figure.data for row in panel.z for r in row)
    assert figure.layout.coloraxis.cmax == -figure.layout.coloraxis.cmin == max(0.1, largest)

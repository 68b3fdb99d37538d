"""The lab's charts and tables hold the view's numbers and nothing else."""

from __future__ import annotations

import dataclasses
import html
import re

import numpy as np
import pytest

from backend.core.estimate import Estimate
from backend.core.metrics.registry import in_lab
from backend.core.vectors.pipeline import Pipeline
from backend.settings import StatusThresholds
from backend.views.filter_lab import figures, tables, words
from backend.views.filter_lab.compute import lab_view
from backend.views.filter_lab.intervals import lab_intervals
from backend.views.filter_lab.stack import lab_stack
from backend.views.shared.style import DIVERGING, diverging
from tests.support.lab_html import without_marks
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results

LIMITS, SET, INK = StatusThresholds(), "default", "#123456"


@pytest.fixture
def shown(settings):
    """A view with dropped prompts, and all that it was made from."""
    _, runs = publish_small_phantom(settings)
    stack = results(settings).of_runs(lab_stack, runs, SET, "identity")
    place = (runs[0], "trait_1", 2)
    plain = Pipeline(filter_reference="mean")
    steps = stack.steps((runs[0], "trait_1", 2), plain)
    cosines = stack.cosine_range(plain)
    last = np.flatnonzero(~np.isnan(steps.r))[-1]
    pipeline = Pipeline(filter_reference="mean", threshold=round(float(steps.thresholds[last]), 6))
    pipeline = dataclasses.replace(pipeline, threshold=pipeline.threshold - 1e-6)
    view = lab_view(stack, stack, pipeline, place, None, LIMITS)
    assert not all(p.kept for p in view.prompts) and view.refusal is None
    return settings, view, steps, cosines


def test_the_axis_holds_every_step_the_point_and_what_is_refused(shown):
    _, view, steps, cosines = shown
    figure = figures.threshold_curve(view, steps, cosines, cosines.high, LIMITS, INK)
    line = figures.threshold_curve(view, steps, cosines, cosines.high, LIMITS, INK, ("mine", -0.9))
    assert line.layout.shapes[-1].y0 == line.layout.annotations[-1].y == -0.9
    assert line.layout.annotations[-1].text == "mine" and line.layout.yaxis.range[0] < -0.9
    assert line.layout.shapes[:-1] == figure.layout.shapes
    line, point = figure.data[1], figure.data[2]
    left = cosines.low
    for i, threshold in enumerate(steps.thresholds):
        assert (line.x[2 * i], line.x[2 * i + 1]) == (left, threshold)
        expected = None if np.isnan(steps.r[i]) else steps.r[i]
        assert line.y[2 * i] == line.y[2 * i + 1] == expected
        left = threshold
    assert (point.x[0], point.y[0]) == (view.pipeline.threshold, view.after.value)
    band = figure.data[0]
    assert max(y for y in band.y if y is not None) == np.nanmax(steps.high)
    assert min(y for y in band.y if y is not None) == np.nanmin(steps.low)
    last = np.flatnonzero(~np.isnan(steps.r))[-1]
    shaded = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (shaded[-1].x0, shaded[-1].x1) == (steps.thresholds[last], cosines.high)
    assert "refused" in [note.text for note in figure.layout.annotations]
    assert "95% interval" in figure.layout.yaxis.title.text


def test_layers_hold_both_curves_with_their_bands(shown):
    _, view, *_ = shown
    figure = figures.layer_curves(view, INK)
    for place, name in ((1, "before"), (3, "after")):
        found = [getattr(change, name) for change in view.layers]
        assert list(figure.data[place].y) == [e.value for e in found]
        ends = [y for y in figure.data[place - 1].y if y is not None]
        assert max(ends) == max(e.high for e in found if e.high is not None)
        assert min(ends) == min(e.low for e in found if e.low is not None)
    assert list(figure.data[1].x) == [1, 2, 3] and figure.layout.font.color == INK


def test_the_heatmap_veils_dropped_prompts_and_only_those(shown):
    _, view, *_ = shown
    texts = {prompt.prompt_id: f"<i>{'long ' * 60}" for prompt in view.prompts}
    figure = figures.dimmed_heatmap(view, texts, INK)
    assert all("&lt;i&gt;long" in label and len(label) < 200 for label in figure.data[0].x)
    z = np.array(figure.data[0].z, dtype=float)
    assert np.isnan(np.diag(z)).all()
    off = ~np.eye(len(z), dtype=bool)
    assert z[off] == pytest.approx(view.cosines.means[off], abs=1e-6)
    veiled = set()
    for shape in figure.layout.shapes:
        if shape.fillcolor == figures.VEIL and shape.y0 == -0.5 and shape.y1 == len(z) - 0.5:
            veiled |= set(range(round(shape.x0 + 0.5), round(shape.x1 + 0.5)))
    assert veiled == {i for i, prompt in enumerate(view.prompts) if not prompt.kept}
    assert view.cosines.ends == pytest.approx((z[off].min(), z[off].max()), abs=1e-6)


def test_the_card_says_r_interval_layer_and_move(shown):
    _, view, *_ = shown
    key = next(iter(view.card))
    change = dataclasses.replace(
        view.card[key],
        before=Estimate(0.25, 0.2, 0.3, None, 60),
        before_status="close",
        after=Estimate(0.35, 0.3, 0.4, None, 60),
        after_status="working",
        after_layer=3,
    )
    other = dataclasses.replace(change, before_status="working", after_status="failed")
    moved = dataclasses.replace(view, card={("a", "t_<1>"): change, ("b", "t_<1>"): other})
    found = tables.card_table(moved, ["a", "b", "c"], ["A", "B", "C"], ["t_<1>"], {("a", "t_<1>")})
    cells = re.findall(r"<td.*?</td>", found)
    assert "+0.35" in cells[0] and "[+0.30, +0.40]" in cells[0] and "layer 3" in cells[0]
    assert 'class="c gained flash"' in cells[0] and "▲ gained, was ◆ +0.25" in cells[0]
    assert 'class="c lost"' in cells[1] and "▼ lost" in cells[1]
    assert "not in this run" in cells[2]
    assert "t &lt;1&gt;" in found and "<1>" not in found
    assert words.moves_text(moved) == "1 cell gained, 1 lost."
    undefined = dataclasses.replace(
        change, after=Estimate.undefined(2, "why"), after_layer=None, after_status="undefined"
    )
    cell = tables.card_table(
        dataclasses.replace(view, card={("a", "x"): undefined}), ["a"], ["A"], ["x"], set()
    )
    assert "undefined" in cell and "why" in cell and "nan" not in cell.lower()


def test_colours_are_those_of_the_heatmaps():
    for place, colour in DIVERGING:
        assert diverging(2 * place - 1) == colour
    assert diverging(2.0) == DIVERGING[-1][1]


def test_metrics_say_before_after_and_whether_it_is_good(shown):
    _, view, *_ = shown
    chosen = {metric.name: (None, None) for metric in in_lab()}
    chosen |= {
        "high_cosine": (0.5, 0.75),
        "auroc": (0.9, 0.8),
        "separation": (2.0, 3.0),
        "high_spread": (0.2, 0.2),
    }
    table = tables.metrics_table(dataclasses.replace(view, metrics=chosen))
    rows = {
        re.search(r">([^<]+) <small>", row).group(1): row
        for row in re.findall(r"<tr><td.*?</tr>", table)
    }
    assert "0.5<" in rows["Cosine, high"] and "0.75<" in rows["Cosine, high"]
    assert "▲ better" in rows["Cosine, high"] and "▼ worse" in rows["AUROC of held-out prompts"]
    assert "activation" in rows["Separation"] and "better" not in rows["Separation"]
    assert "=</td>" in rows["Spread, high"]
    assert "undefined" in rows["SNR (study)"] and "no within-class variance" in rows["SNR (study)"]
    other = dataclasses.replace(view, pipeline=Pipeline(metric="standardised"), metrics=chosen)
    assert tables.metrics_table(other).count("not comparable") == 4


def test_prompts_are_listed_with_their_cosines_and_escaped(shown):
    _, view, *_ = shown
    texts = {prompt.prompt_id: f"<b>{prompt.prompt_id}</b>" for prompt in view.prompts}
    table = without_marks(tables.prompts_table(view, texts))
    dropped = [prompt for prompt in view.prompts if not prompt.kept]
    assert table.count('class="dropped"') == len(dropped) and "<b>" not in table
    for prompt in view.prompts:
        row = next(
            r
            for r in re.findall(r"<tr.*?</tr>", table)
            if f"<small>#{prompt.prompt_id}</small>" in r
        )
        assert f"{prompt.cosine:.3f}" in row and ("✓" in row) == prompt.kept
    for pole in ("high", "low"):
        own = [p for p in view.prompts if p.pole == pole]
        assert f"{pole} pole: {sum(p.kept for p in own)} of {len(own)} kept" in table
        assert [p.cosine for p in own] == sorted((p.cosine for p in own), reverse=True)


def test_intervals_are_dots_until_they_are_known(shown):
    settings, view, *_ = shown
    waiting = tables.intervals_table(None)
    assert waiting.count("…") == 4
    run_id, trait, layer = view.place
    known = results(settings).of_run(lab_intervals, run_id, trait, SET, layer, view.pipeline)
    filled = html.unescape(tables.intervals_table(known))
    assert "…" not in filled and filled.count("<div>") == waiting.count("<div>")
    for found in (known.before, known.after, known.difference, known.held_out):
        assert f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]" in filled
    headline = html.unescape(without_marks(tables.headline(view, "")))
    kept = sum(prompt.kept for prompt in view.prompts)
    assert f"{view.after.value:+.2f}" in headline and "n = 60" in headline
    assert f"{kept} of {len(view.prompts)} prompts kept" in headline
    refused = dataclasses.replace(view, refusal="too <few>")
    assert "refused: too &lt;few&gt;" in tables.headline(refused, "")

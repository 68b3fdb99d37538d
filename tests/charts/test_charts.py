"""Charts show the numbers of the queries and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from backend.settings import StatusThresholds
from backend.store.catalog import run_list
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.figures import evidence_rows, fix_gains
from backend.views.prompts.compute import prompt_view
from backend.views.prompts.figures import cosine_heatmap, norms_and_agreement
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid, scorecard_intervals
from backend.views.shared.style import trait_label, wrapped
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def shown(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    card = scorecard(settings, ["run-1"], "default")
    return card, run_list(settings).runs, ("warmth", "haste")


def test_the_grid_holds_r_interval_layer_and_status(shown):
    card, runs, traits = shown
    heatmap = scorecard_grid(card, runs, traits, ["tiny"]).data[0]
    for row, trait in enumerate(traits):
        cell = card.cells["run-1", trait]
        c = cell.correlation
        assert heatmap.z[row][0] == c.r
        text = heatmap.text[row][0]
        assert f"{c.r:+.2f}" in text
        assert f"[{c.low:+.2f}, {c.high:+.2f}]" in text
        assert f"layer {cell.layer}, best of 2" in text
        assert cell.status in heatmap.customdata[row][0]
        assert "do not allow for that" in heatmap.customdata[row][0]
    assert (heatmap.zmin, heatmap.zmid, heatmap.zmax) == (-1, 0, 1)


def test_intervals_are_drawn_at_their_ends(shown):
    card, runs, traits = shown
    figure = scorecard_intervals(card, runs, traits, ["tiny"], StatusThresholds())
    drawn = {}
    for trace in figure.data:
        for x, up, down, y in zip(
            trace.x, trace.error_x.array, trace.error_x.arrayminus, trace.y, strict=True
        ):
            drawn[traits[round(y)]] = (x, x - down, x + up)
    for trait in traits:
        c = card.cells["run-1", trait].correlation
        assert drawn[trait] == pytest.approx((c.r, c.low, c.high))


def test_undefined_cells_say_why_and_hold_no_number(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    card = scorecard(settings, ["run-1"], "default")
    runs = run_list(settings).runs
    heatmap = scorecard_grid(card, runs, ("haste",), ["tiny"]).data[0]
    assert heatmap.z[0][0] is None
    assert "undefined" in heatmap.text[0][0]
    assert "at least 3" in heatmap.customdata[0][0]
    assert len(scorecard_intervals(card, runs, ("haste",), ["t"], StatusThresholds()).data) == 0


def test_the_heatmap_holds_the_cosines_and_both_texts(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    view = prompt_view(settings, "run-1", "haste", "default", 1, clustered=True)
    heatmap = cosine_heatmap(view).data[0]
    for i in range(10):
        assert heatmap.z[i][i] is None
        for j in range(10):
            if i != j:
                assert heatmap.z[i][j] == view.cosines[i, j]
    both = heatmap.customdata[2][7]
    assert f"#{view.rows[2].prompt_id}" in both and f"#{view.rows[7].prompt_id}" in both
    scatter = norms_and_agreement(view)
    norms = np.concatenate([trace.x for trace in scatter.data])
    assert sorted(norms) == pytest.approx(sorted(row.norm for row in view.rows))
    assert "activation units" in scatter.layout.xaxis.title.text


def test_texts_in_hovers_are_escaped_and_wrapped():
    assert "<b>" not in wrapped("<b>x</b>") and "&lt;b&gt;" in wrapped("<b>x</b>")
    assert wrapped("word " * 40).count("<br>") >= 3
    assert trait_label("empathetic_responsiveness") == "empathetic<br>responsiveness"


def test_fix_gains_are_drawn_with_their_intervals(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    (diagnosis,) = diagnose_run(settings, "run-1", trait="haste", layer=2)
    measured = [j for j in diagnosis.judgements if j.fix and j.fix.gain.value is not None]
    drawn = {}
    for trace in fix_gains(diagnosis).data:
        for x, y, up, down in zip(
            trace.x, trace.y, trace.error_x.array, trace.error_x.arrayminus, strict=True
        ):
            drawn[y] = (x, x - down, x + up)
    assert len(drawn) == len(measured) > 3
    for place, judgement in enumerate(measured):
        gain = judgement.fix.gain
        assert drawn[place] == pytest.approx((gain.value, gain.low, gain.high))
    rows = evidence_rows(measured[0])
    assert rows[-1]["measured"].startswith("change of r with: ")

"""The scorecard's figures and tables show its numbers and nothing else."""

from __future__ import annotations

import pytest

from backend.settings import StatusThresholds
from backend.store.catalog import run_list
from backend.views.scorecard.figures import scorecard_grid, scorecard_intervals
from backend.views.scorecard.tables import count_rows, number_rows
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import card


@pytest.fixture
def shown(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return card(settings, ["run-1"]), run_list(settings).runs, ("warmth", "haste")


def test_the_grid_holds_r_interval_layer_and_status(shown):
    card, runs, traits = shown
    heatmap = scorecard_grid(card, runs, traits, ["tiny"]).data[0]
    for row, trait in enumerate(traits):
        cell = card.cells["run-1", trait]
        c = cell.correlation
        assert heatmap.z[row][0] == c.value
        text = heatmap.text[row][0]
        assert f"{c.value:+.2f}" in text
        assert f"[{c.low:+.2f}, {c.high:+.2f}]" in text
        assert f"layer {cell.layer}, best of 2" in text
        assert cell.status in heatmap.customdata[row][0]
        assert "ignore that choice" in heatmap.customdata[row][0]
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
    ends = []
    for trait in traits:
        c = card.cells["run-1", trait].correlation
        assert drawn[trait] == pytest.approx((c.value, c.low, c.high))
        ends += [c.low, c.high]
    # No room is kept for r that no cell has; zero and both thresholds are in sight.
    shown = figure.layout.xaxis.range
    assert shown == pytest.approx((max(-1.02, min(0, *ends) - 0.04), max(0.3, *ends) + 0.04))


def test_tables_hold_the_counts_and_the_numbers(shown):
    card, runs, traits = shown
    (counts,) = count_rows(card, runs, ["tiny"], StatusThresholds())
    assert counts.pop("run") == "tiny"
    assert {column.split()[1]: n for column, n in counts.items()} == card.counts["run-1"]
    for row, trait in zip(number_rows(card, runs, traits, ["tiny"]), traits, strict=True):
        cell = card.cells["run-1", trait]
        assert (row["trait"], row["run"], row["n"]) == (trait, "tiny", cell.correlation.n)
        assert row["r over drifts"] == f"{cell.correlation.value:+.3f}"
        assert row["layer"] == f"{cell.layer} (best of 2)"


def test_undefined_cells_say_why_and_hold_no_number(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    found = card(settings, ["run-1"])
    runs = run_list(settings).runs
    heatmap = scorecard_grid(found, runs, ("haste",), ["tiny"]).data[0]
    assert heatmap.z[0][0] is None
    assert "undefined" in heatmap.text[0][0]
    assert "at least 3" in heatmap.customdata[0][0]
    assert len(scorecard_intervals(found, runs, ("haste",), ["t"], StatusThresholds()).data) == 0
    (row,) = number_rows(found, runs, ("haste",), ["tiny"])
    assert "at least 3" in row["r over nones"] and row["layer"] == "none"

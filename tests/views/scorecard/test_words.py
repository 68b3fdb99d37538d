"""What the scorecard says of responders that differ."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.settings import StatusThresholds
from backend.store.catalog import run_list
from backend.views.scorecard.compute import ScorecardCell
from backend.views.scorecard.words import (
    answer,
    held_out_answer,
    legend,
    responders_differ,
    responders_sentence,
)
from tests.support.phantom_store import publish_small_preset
from tests.support.raw import reading_run
from tests.support.views import card


def cell(within, pooled, low=None, high=None, trait="over_involvement"):
    together = Estimate.exact(pooled, 120)
    own = Estimate(within, low, high, None, 120)
    return ScorecardCell("run", trait, 3, 12, own, together, "failed")


@pytest.mark.parametrize(
    ("found", "differs"),
    [
        (cell(0.05, 0.88, -0.1, 0.2), True),
        (cell(0.05, 0.15, -0.1, 0.2), False),
        (cell(0.05, 0.05, 0.05, 0.05), False),
        (cell(0.05, 0.88), True),
        (cell(0.05, 0.1), False),
    ],
)
def test_a_pooled_r_outside_the_interval_is_named(found, differs):
    assert responders_differ(found) is differs
    assert (responders_sentence([found]) is None) is not differs


def test_the_widest_difference_is_the_one_in_the_sentence():
    wide, narrow = cell(0.05, 0.88, -0.1, 0.2), cell(0.1, 0.4, 0.0, 0.2, "warmth")
    said = responders_sentence([narrow, wide])
    assert said.startswith("In 2 cells")
    assert (
        "over involvement, r = +0.88 over all responders together, +0.05 within responders" in said
    )
    assert responders_sentence([]) is None


def test_the_answer_counts_what_works_per_run(settings):
    _, run_ids = publish_small_preset(settings)
    found, runs = card(settings, run_ids), run_list(settings).runs
    counts = [
        sum(c.status == "working" for (run, _), c in found.cells.items() if run == run_id)
        for run_id in run_ids
    ]
    assert answer(found, runs, ["a", "b", "c"]) == (
        f"Working traits: a {counts[0]}/8, b {counts[1]}/8, c {counts[2]}/8."
    )
    works = []
    for run_id in run_ids:
        with reading_run(settings, run_id) as connection:
            rs = connection.execute(
                "SELECT held_out_r FROM best_layers WHERE method = 'mean_difference'"
            ).fetchall()
        works.append(f"{sum(r > 0.3 for (r,) in rs)}/{len(rs)}")
    assert held_out_answer(found, runs, ["a", "b", "c"]) == (
        "By r on scenarios that their layer was not chosen on: "
        f"a {works[0]}, b {works[1]}, c {works[2]}."
    )
    at_a_layer = card(settings, run_ids, layer=2)
    assert held_out_answer(at_a_layer, runs, ["a", "b", "c"]) == ""
    assert answer(card(settings, run_ids, "none"), runs, ["a", "b", "c"]).startswith("No scored")


def test_the_legend_names_the_thresholds():
    said = legend(StatusThresholds(working=0.4, close=0.1))
    assert "working: r > 0.4" in said and "close: 0.1 to 0.4" in said and "failed: r < 0.1" in said

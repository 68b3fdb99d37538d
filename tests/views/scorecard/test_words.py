"""What the scorecard says of responders that differ."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.views.scorecard.compute import ScorecardCell
from backend.views.scorecard.words import responders_differ, responders_sentence


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
    assert "of over involvement, r over all responders together is +0.88, within them +0.05" in said
    assert responders_sentence([]) is None

"""Intervals are drawn where they are defined, and only there."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.views.shared.intervals import band, forest


def test_a_band_breaks_where_it_is_undefined():
    drawn = band(
        [1, 2, 3, 4], [0.0, 0.1, None, 0.3], [1.0, 1.1, None, 1.3], name="b", colour="#0072B2"
    )
    assert drawn.x == (1, 2, 2, 1, 1, None, 4, 4, 4)
    assert drawn.y == (0.0, 0.1, 1.1, 1.0, 0.0, None, 0.3, 1.3, 0.3)


def test_a_forest_leaves_out_what_is_undefined_and_says_so():
    found = [Estimate(0.3, 0.1, 0.5, None, 20), Estimate.undefined(2, "too few")]
    figure = forest(["a_b", "c"], [("r", "#0072B2", "circle", found)], title="r")
    assert list(figure.data[0].x) == [0.3]
    (note,) = [a for a in figure.layout.annotations if "undefined" in a.text]
    assert note.hovertext == "too few"

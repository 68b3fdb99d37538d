"""Time left, from what was done so far."""

from __future__ import annotations

from backend.runs.rate import LayerRate


def test_layers_left_take_what_the_layers_done_took():
    rate = LayerRate()
    assert rate.seconds_for(3) is None
    rate.add(2.0)
    rate.add(4.0)
    assert rate.seconds_for(3) == 9.0 and rate.seconds_for(0) == 0.0

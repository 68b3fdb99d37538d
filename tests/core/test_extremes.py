"""Extremes that are collected in parts are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.extremes import ExtremesOf


@pytest.mark.parametrize("sizes", [(50,), (1, 30, 2, 17), (3,)])
def test_parts_give_what_the_whole_gives(sizes):
    rng = np.random.default_rng(0)
    # Whole numbers, so that there are ties, far from zero, where squares lose digits.
    values = rng.integers(-9, 9, size=(sum(sizes), 4)) + 1e8
    found = ExtremesOf(5)
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        found.add(part)
    ends = found.found()
    assert ends.count == len(values)
    assert ends.means == pytest.approx(values.mean(axis=0))
    assert ends.deviations == pytest.approx(values.std(axis=0))
    for column in range(4):
        own = values[:, column]
        top = np.argsort(-own, kind="stable")[:5]
        bottom = np.argsort(own, kind="stable")[:5]
        assert (ends.top[column] == top).all() and (ends.bottom[column] == bottom).all()
        assert (ends.top_values[column] == own[top]).all()
        assert (ends.bottom_values[column] == own[bottom]).all()

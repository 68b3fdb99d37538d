"""Contributions sum to what they are of, and the top spans are those that trying all finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from backend.core.token_shares import Span, contributions, top_spans


def test_contributions_sum_to_the_pooled_projection_less_the_reference():
    rng = np.random.default_rng(0)
    for pooled in (np.ones(9, bool), np.arange(9) > 3, np.arange(9) == 8):
        projections = rng.normal(size=9)
        found = contributions(projections, pooled, 0.7)
        assert found.sum() == pytest.approx(projections[pooled].mean() - 0.7, abs=1e-14)
        assert (found[~pooled] == 0).all()
        assert found[pooled] == pytest.approx((projections[pooled] - 0.7) / pooled.sum())
    with pytest.raises(ValueError, match="no token is pooled"):
        contributions(np.ones(3), np.zeros(3, bool), 0.0)
    with pytest.raises(ValueError, match="not finite"):
        contributions(np.array([1.0, np.nan]), np.ones(2, bool), 0.0)


def by_trying(values, most, longest):
    """One span after the other, each the best of all that touch none before it."""
    taken, found = np.zeros(len(values), bool), []
    while len(found) < most:
        every = [
            Span(start, stop, float(values[start:stop].sum()))
            for start, stop in itertools.combinations(range(len(values) + 1), 2)
            if not taken[start:stop].any() and (longest is None or stop - start <= longest)
        ]
        best = min(every, key=lambda s: (-s.total, s.stop - s.start, s.start), default=None)
        if best is None or best.total <= 0:
            break
        taken[best.start : best.stop] = True
        found.append(best)
    return tuple(found)


def test_top_spans_are_those_of_trying_every_span():
    rng = np.random.default_rng(1)
    for draw in range(300):
        # Whole numbers: sums are exact, and ties are frequent.
        values = rng.integers(-4, 5, size=rng.integers(0, 14)).astype(float)
        most, longest = int(rng.integers(1, 5)), [None, 1, 2, 5][draw % 4]
        assert top_spans(values, most, longest) == by_trying(values, most, longest)


def test_nothing_raises_where_nothing_is_positive():
    assert top_spans(np.array([-1.0, 0.0, -2.0]), 3) == ()
    assert top_spans(np.zeros(0), 3, 2) == ()
    assert top_spans(np.array([-1.0, 2.0, -0.5, 3.0]), 1) == (Span(1, 4, 4.5),)
    with pytest.raises(ValueError, match="at least one token"):
        top_spans(np.ones(3), 1, 0)

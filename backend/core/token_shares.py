"""What tokens contribute to the pooled projection of their text, and which spans most.

The pooled projection of a text is the mean of p_t over its n pooled tokens. Against a reference m,
such as the mean of the pooled projection over the responses of a run, a token contributes
(p_t - m) / n: these sum to (pooled projection - m). Other numbers of a response that are linear in
its pooled projection (its term of r, its residual) are the same contributions times a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, refuse_not_finite


@dataclass(frozen=True)
class Span:
    """Tokens that follow each other.

    Attributes:
        start: place of the first, from 0.
        stop: place after the last.
        total: sum of their values.
    """

    start: int
    stop: int
    total: float


def contributions(projections: Floats, pooled: Bools, reference: float) -> Floats:
    """What each token contributes to the pooled projection beyond a reference, [tokens].

    They sum to (mean over the pooled tokens - reference). A token that is not pooled contributes 0.

    Args:
        projections: of each token, activation units, [tokens].
        pooled: which are pooled, [tokens]; at least one.
        reference: activation units.

    Raises:
        ValueError: no token is pooled, or a value is not finite.
    """
    refuse_not_finite(projections=projections, reference=reference)
    count = int(pooled.sum())
    if not count:
        raise ValueError("no token is pooled, so none contributes")
    found: Floats = np.where(pooled, (projections - reference) / count, 0.0)
    return found


def top_spans(values: Floats, most: int, longest: int | None = None) -> tuple[Span, ...]:
    """The spans with the largest sums, none overlapping another, largest first.

    The first is the span of the largest sum of all; the next is that of the largest sum among spans
    that touch none of its places, and so on, as long as the sum is positive. Of spans with one sum
    the shorter is taken, then the earlier. Without a limit of length these are the maximal scoring
    subsequences of Ruzzo and Tompa 1999 (ISMB 7: 234-241). The spans with the smallest sums are
    those of the values with the sign changed.

    Args:
        values: such as :func:`contributions`, [tokens].
        most: spans at most.
        longest: tokens of a span at most; None for no limit.

    Raises:
        ValueError: a value is not finite, or longest is below 1.
    """
    refuse_not_finite(values=values)
    limit = len(values) if longest is None else longest
    if limit < 1 and len(values):
        raise ValueError(f"a span has at least one token, and longest is {longest}")
    best = [_best(values, 0, len(values), limit)]
    found: list[Span] = []
    while len(found) < most:
        known = [span for span in best if span is not None]
        if not known:
            break
        top = min(known, key=_order)
        found.append(top)
        left, right = _edges(found, top, len(values))
        best = [span for span in known if span is not top]
        best += [
            _best(values, left, top.start, limit),
            _best(values, top.stop, right, limit),
        ]
    return tuple(found)


def _edges(found: Sequence[Span], top: Span, end: int) -> tuple[int, int]:
    """The free stretch that a span was taken from: from the span before it to the one after it."""
    left = max((span.stop for span in found if span.stop <= top.start), default=0)
    right = min((span.start for span in found if span.start >= top.stop), default=end)
    return left, right


def _order(span: Span) -> tuple[float, int, int]:
    return -span.total, span.stop - span.start, span.start


def _best(values: Floats, start: int, stop: int, limit: int) -> Span | None:
    """The span of the largest sum within a stretch; None where no sum is positive."""
    sums = np.concatenate([[0.0], np.cumsum(values[start:stop])])
    best: Span | None = None
    # The smallest sum before an end is the best place to begin: a queue of places whose sums rise.
    waiting: list[int] = []
    for end in range(1, len(sums)):
        while waiting and sums[waiting[-1]] >= sums[end - 1]:
            waiting.pop()
        waiting.append(end - 1)
        if waiting[0] < end - limit:
            waiting.pop(0)
        span = Span(start + waiting[0], start + end, float(sums[end] - sums[waiting[0]]))
        if span.total > 0 and (best is None or _order(span) < _order(best)):
            best = span
    return best

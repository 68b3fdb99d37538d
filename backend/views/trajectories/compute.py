"""Projection and score of one trait at every turn, and r over turns and between any two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backend.core.arrays import Bools, Floats, Integers
from backend.core.cases import Cases, group_numbers
from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.conversations import (
    TurnCases,
    TurnCorrelations,
    numbered,
    over_turns,
)
from backend.core.statistics.correlation import pearson
from backend.core.statistics.describe import mean
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.store.run import Run
from backend.store.run_values import TurnValues
from backend.turns import turn_order
from backend.types import Turn

Values = Literal["level", "change"]
# The first or last turn that a conversation has, whatever its number.
BEGIN, END = "first", "last"
# Conversations drawn at once: more cannot be told apart.
MOST_DRAWN = 8
# Of each text, in the hover.
CHARACTERS = 220


@dataclass(frozen=True)
class TurnPoint:
    """One turn of a conversation.

    Attributes:
        response_id: number of the response in the study.
        turn: which turn.
        projection: along v / ||v||, activation units, or how far it is from that of the
            conversation's first turn; None where that is undefined.
        score: of the trait, score units, or likewise; None where it was not scored.
    """

    response_id: int
    turn: Turn
    projection: float | None
    score: float | None


@dataclass(frozen=True)
class Trajectory:
    """One conversation. Attributes: key (number of its first response), scenario, responder, and
    its turns in their order."""

    key: str
    scenario: str
    responder: str
    points: tuple[TurnPoint, ...]


@dataclass(frozen=True)
class TurnMean:
    """One turn over all conversations that have it.

    Attributes:
        turn: which turn.
        projection: mean with its interval over conversations.
        score: likewise, of those that were scored.
    """

    turn: Turn
    projection: Estimate
    score: Estimate


@dataclass(frozen=True)
class Trajectories:
    """One trait at one layer, turn by turn.

    Attributes:
        trait: the trait.
        layer: the layer.
        values: ``level``: values as they are; ``change``: less that of the conversation's first
            turn.
        turns: all turns of the study, in their order; none in a study without.
        conversations: in the study's order.
        means: one a turn.
        moved: mean change of the projection, and of the score, from the first to the last turn
            that each conversation has, with intervals over groups of conversations.
        notable: keys of the conversations shown at first: projection rises most, falls most, and
            changes by the median.
        scale: lowest and highest allowed score.
    """

    trait: str
    layer: int
    values: Values
    turns: tuple[Turn, ...]
    conversations: tuple[Trajectory, ...]
    means: tuple[TurnMean, ...]
    moved: tuple[Estimate, Estimate]
    notable: tuple[str, ...]
    scale: tuple[float, float]

    def chosen(self, keys: Sequence[str]) -> tuple[Trajectory, ...]:
        """The conversations of some keys, at most MOST_DRAWN, in the order of the keys."""
        by_key = {one.key: one for one in self.conversations}
        return tuple(by_key[key] for key in keys if key in by_key)[:MOST_DRAWN]


@dataclass(frozen=True)
class TurnR:
    """r over all scored turns of one trait at one layer.

    Attributes:
        pearson: r with intervals by the jackknife over groups.
        turns: number of scored turns.
        conversations: number of conversations that they are of.
    """

    pearson: TurnCorrelations
    turns: int
    conversations: int


@dataclass(frozen=True)
class DriftR:
    """r of the drift between two turns.

    Attributes:
        start: the turn that is subtracted, or BEGIN.
        stop: the other turn, or END.
        r: over the conversations that have both turns, scored.
        bootstrap: the same with its bootstrap interval.
        by_stop: r of the drift from ``start`` to every other turn that a scored conversation has.
    """

    start: Turn
    stop: Turn
    r: Estimate
    bootstrap: Estimate
    by_stop: tuple[tuple[Turn, Estimate], ...]


def trajectories(
    run: Run, trait: str, prompt_set: str, layer: int, values: Values = "level"
) -> Trajectories:
    """Projection (of the mean difference) and score of every conversation at every turn.

    The mean of a turn is over the conversations that have it, with the interval of
    :func:`backend.core.statistics.describe.mean` over groups of dependent conversations.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: which prompts the vector is built from.
        layer: one of its layers.
        values: levels, or changes since the first turn.

    Raises:
        StoreError: the run has no such trait, prompt set or layer.
    """
    found = _values(run, trait, prompt_set, layer)
    drifts = _drifts(found, BEGIN, END)
    places = _conversations(found)
    firsts = np.unique(places, return_index=True)[1]
    if values == "change":
        found = replace(
            found,
            projections=found.projections - found.projections[firsts][places],
            scores=found.scores - found.scores[firsts][places],
        )
    ends = [*firsts[1:], len(places)] if len(places) else []
    conversations = tuple(
        _conversation(found, int(first), int(end)) for first, end in zip(firsts, ends, strict=True)
    )
    turns = _turns(found)
    own = np.array(found.turns)
    return Trajectories(
        trait=trait,
        layer=layer,
        values=values,
        turns=turns,
        conversations=tuple(sorted(conversations, key=lambda one: int(one.key))),
        means=tuple(
            TurnMean(
                turn,
                _mean(found.projections, found.groups, own == turn),
                _mean(found.scores, found.groups, own == turn),
            )
            for turn in turns
        ),
        moved=(
            mean(drifts.x, drifts.groups),
            mean(drifts.y, drifts.groups),
        ),
        notable=_notable(found.projections, firsts, ends, found.response_ids),
        scale=run.score_range,
    )


def turn_r(run: Run, trait: str, prompt_set: str, layer: int) -> TurnR:
    """r over all scored turns, between and within conversations; see :func:`over_turns`.

    Arguments and errors as for :func:`trajectories`.
    """
    found = _values(run, trait, prompt_set, layer)
    known = _known(found)
    conversations = np.unique(_conversations(found)[known], return_inverse=True)[1]
    turns = np.array([turn_order(turn) for turn in found.turns], np.intp)[known]
    cases = TurnCases(
        _cases(found, found.projections, found.scores, np.flatnonzero(known)),
        conversations,
        np.unique(turns, return_inverse=True)[1],
    )
    return TurnR(over_turns(cases), len(turns), len(set(conversations.tolist())))


def drift_r(
    run: Run, trait: str, prompt_set: str, layer: int, start: str = BEGIN, stop: str = END
) -> DriftR:
    """r of projection drift with score drift between two turns.

    From BEGIN to END this is the r of the whole dashboard. Like it, r is within responders.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: which prompts the vector is built from.
        layer: one of its layers.
        start: a turn, or BEGIN for the first that each conversation has.
        stop: a turn, or END for the last that each has.

    Raises:
        StoreError: the run has no such trait, prompt set or layer.
    """
    found = _values(run, trait, prompt_set, layer)
    cases = _drifts(found, start, stop)
    r = _r(cases, start, stop)
    others = [(turn, _drifts(found, start, turn)) for turn in _turns(found) if turn != start]
    return DriftR(
        start=start,
        stop=stop,
        r=r,
        bootstrap=r if r.value is None else bootstrap_r(cases),
        by_stop=tuple((turn, pearson(own)) for turn, own in others if len(own)),
    )


def _r(cases: Cases, start: str, stop: str) -> Estimate:
    if start == stop:
        return Estimate.undefined(len(cases), f"from {start} to {stop} nothing can drift")
    return pearson(cases)


def _values(run: Run, trait: str, prompt_set: str, layer: int) -> TurnValues:
    if layer not in run.record.layers or trait not in run.traits_of_set(prompt_set):
        raise StoreError(
            f"Run {run.record.run_id} has no cell with trait {trait!r}, prompt set {prompt_set!r} "
            f"and layer {layer}.",
            expected="a trait, a prompt set and a layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    return run.turn_values(MEAN_DIFFERENCE, trait, prompt_set, layer)


def _known(found: TurnValues) -> Bools:
    """Whether a turn has both values, [n]."""
    known: Bools = ~(np.isnan(found.projections) | np.isnan(found.scores))
    return known


def _conversations(found: TurnValues) -> Integers:
    return numbered(list(zip(found.scenarios, found.responders, strict=True)))


def _turns(found: TurnValues) -> tuple[Turn, ...]:
    return tuple(sorted(set(found.turns), key=turn_order))


def _cases(found: TurnValues, x: Floats, y: Floats, rows: Integers) -> Cases:
    """Values of some turns as cases."""
    return Cases.of_study(
        x[rows],
        y[rows],
        [found.scenarios[i] for i in rows],
        [found.responders[i] for i in rows],
        [found.groups[i] for i in rows],
    )


def _drifts(found: TurnValues, start: str, stop: str) -> Cases:
    """Drifts of the conversations that have both turns and both values at each."""
    places = _conversations(found)
    count = int(places.max()) + 1 if len(places) else 0
    turns = np.array(found.turns)
    ends = np.full((2, count), -1, np.intp)
    for side, wanted in enumerate((start, stop)):
        rows = np.arange(len(places))
        if wanted not in (BEGIN, END):
            rows = rows[turns == wanted]
        # Rows come in the order of turns, and of several the last is kept.
        rows = rows[::-1] if wanted == BEGIN else rows
        ends[side, places[rows]] = rows
    first, last = ends[:, (ends >= 0).all(axis=0)]
    known = _known(found)
    kept = known[first] & known[last] & (first != last)
    first, last = first[kept], last[kept]
    x, y = np.zeros((2, len(places)))
    x[last] = found.projections[last] - found.projections[first]
    y[last] = found.scores[last] - found.scores[first]
    return _cases(found, x, y, last)


def _mean(values: Floats, groups: Sequence[str], own: Bools) -> Estimate:
    rows = np.flatnonzero(own & ~np.isnan(values))
    return mean(values[rows], group_numbers([groups[i] for i in rows.tolist()]))


def _conversation(found: TurnValues, first: int, end: int) -> Trajectory:
    rows = slice(first, end)
    points = tuple(
        TurnPoint(int(number), turn, _number(projection), _number(score))
        for number, turn, projection, score in zip(
            found.response_ids[rows],
            found.turns[rows],
            found.projections[rows],
            found.scores[rows],
            strict=True,
        )
    )
    return Trajectory(
        str(points[0].response_id),
        found.scenarios[first],
        found.responders[first],
        points,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _notable(
    projections: Floats, firsts: Integers, ends: Sequence[int], numbers: Integers
) -> tuple[str, ...]:
    """Keys of the conversations whose projection rises most, falls most and changes by the
    median; fewer where these are the same."""
    changes = [
        (float(projections[end - 1] - projections[first]), int(numbers[first]))
        for first, end in zip(firsts, ends, strict=True)
        if end - first > 1 and not np.isnan(projections[[first, end - 1]]).any()
    ]
    if not changes:
        return tuple(str(numbers[first]) for first in firsts[:1])
    ordered = sorted(changes)
    picks = (ordered[-1], ordered[0], ordered[len(ordered) // 2])
    return tuple(dict.fromkeys(str(number) for _, number in picks))


def lengths(found: Trajectories) -> tuple[int, int]:
    """Number of turns of the shortest and of the longest conversation; 0 where there are none."""
    counts = Counter(len(one.points) for one in found.conversations)
    return (min(counts), max(counts)) if counts else (0, 0)

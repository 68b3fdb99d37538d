"""What is said of turns: what to see, and r in sentences."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.turns import LAST
from backend.types import Turn
from backend.views.shared.numbers import r_text
from backend.views.trajectories.compute import (
    BEGIN,
    END,
    MOST_DRAWN,
    DriftR,
    Trajectories,
    Trajectory,
    TurnR,
    Values,
    lengths,
)

VALUES: dict[Values, str] = {"level": "as they are", "change": "change since the first turn"}
# A chart of scores over less than this share of their scale makes small changes look large.
NARROW = 0.25
NO_TURNS = (
    "The responses of this study have no turns, so there is nothing to follow from turn to turn."
)
TWO_TURNS = (
    "This study has two turns: a trajectory is one step, and r over drifts (Scorecard, Layers) "
    "says all there is. Import responses with turns 1, 2, 3, ... to see more."
)
MEAN = (
    "Thick line: mean of the conversations that have the turn; band: its 95% interval over "
    "conversations (Student t; jackknife over groups where conversations are dependent). If the "
    "vector reads the behaviour, both panels bend at the same turns."
)
CHOSEN = (
    "Hover for the text. A projection that moves while the score stays, or the reverse, is where "
    "the vector is wrong. At first: the conversations whose projection rises most, falls most and "
    f"changes by the median. At most {MOST_DRAWN} are drawn."
)
OVER_TURNS = (
    "Intervals and p are over groups of dependent conversations, so many turns of one conversation "
    "do not count as many cases. If r is high between and low within conversations, the vector "
    "tells conversations apart and does not follow what happens in them. If r within falls when "
    "the mean of each turn is taken out, much of it is a trend that all conversations share."
)
BY_STOP = (
    "r of the drift from one turn to each other turn, with its 95% interval. A pair of turns "
    "that is chosen because its r is highest is inflated by selection."
)


def turn_name(turn: str) -> str:
    """A turn as the choice of two turns names it. Args: a turn, or BEGIN or END."""
    names = {BEGIN: "the first of each", END: "the last of each", LAST: "tN (last)"}
    return names.get(turn, turn)


def conversation_name(one: Trajectory, responders: int) -> str:
    """A conversation as a chart names it: its scenario, and who responded where there are several.

    Args:
        one: the conversation.
        responders: how many there are in the study.
    """
    return one.scenario if responders < 2 else f"{one.scenario}, {one.responder}"


def conversation_names(found: Trajectories) -> dict[str, str]:
    """Key -> name of every conversation."""
    responders = len({one.responder for one in found.conversations})
    return {one.key: conversation_name(one, responders) for one in found.conversations}


def extent(found: Trajectories) -> str:
    """How many conversations of how many turns; of two turns, that there is no more to see."""
    count = len(found.conversations)
    shortest, longest = lengths(found)
    span = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
    said = f"{count} conversation{'' if count == 1 else 's'} of {span} turns."
    return f"{said} {TWO_TURNS}" if len(found.turns) == 2 else said


def moved(found: Trajectories) -> str:
    """How projection and score change on average, as the answer of the page."""
    projection, score = found.moved
    if projection.value is None or score.value is None:
        return (
            "No conversation has a projection and a score at its first and its last turn, so no "
            "change can be averaged."
        )
    if projection.low is None and score.low is None and projection.reason == score.reason:
        return (
            f"From the first to the last turn the projection changes by {projection.value:+.3g} "
            f"and the score by {score.value:+.3g}: means of {score.n} conversations, without "
            f"intervals: {score.reason}."
        )
    return (
        f"From the first to the last turn the projection changes by {_mean(projection)} and the "
        f"score by {_mean(score)}: means of {score.n} conversations, 95% intervals."
    )


def part_of_scale(found: Trajectories) -> str:
    """That the chart of mean scores shows a small part of their scale; empty if it does not, or
    where the band or conversations widen it."""
    means = [one.score.value for one in found.means if one.score.value is not None]
    low, high = found.scale
    banded = any(one.score.low is not None for one in found.means)
    if found.values == "change" or banded or not means:
        return ""
    if max(means) - min(means) >= NARROW * (high - low):
        return ""
    return (
        f"The score axis shows part of the scale: means from {min(means):.3g} to {max(means):.3g} "
        f"of {low:g} to {high:g}."
    )


def _mean(found: Estimate) -> str:
    shown = f"{found.value:+.3g}"
    if found.low is None or found.high is None:
        return f"{shown} (no interval: {found.reason})"
    return f"{shown} [{found.low:+.3g}, {found.high:+.3g}]"


def over_turns_answer(found: TurnR) -> str:
    """r within conversations, which is what steering is judged by, and how much is shared trend."""
    r = found.pearson
    if r.within.value is None:
        return f"r within conversations is undefined: {r.within.reason}."
    said = f"Within conversations r is {r_text(r.within)}"
    if r.given_turn.value is not None:
        said += f"; with the mean of each turn taken out, {r_text(r.given_turn, count=False)}"
    return f"{said}. Between conversations r is {r_text(r.between)}."


def drift_answer(found: DriftR) -> str:
    """r of the drift between two turns."""
    start, stop = (_plain(turn) for turn in (found.start, found.stop))
    own = (found.start, found.stop) == (BEGIN, END) and found.r.value is not None
    same = " This is the r of the other pages." if own else ""
    return f"From {start} to {stop}: r of the drift is {r_text(found.r)}.{same}"


def interval_beside(found: DriftR) -> str:
    """The bootstrap interval, which takes no shape for granted, beside the one in the answer."""
    low, high = found.bootstrap.low, found.bootstrap.high
    if low is None or high is None:
        return f"No bootstrap interval: {found.bootstrap.reason}."
    return f"Bootstrap over groups of scenarios (BCa): [{low:+.2f}, {high:+.2f}]."


def _plain(turn: Turn) -> str:
    """A turn within a sentence."""
    return {BEGIN: "each first turn", END: "each last turn"}.get(turn, turn)

"""Turns as tables, which can be downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.core.estimate import Estimate
from backend.store.run_values import ScoredText
from backend.views.shared.numbers import estimate_text
from backend.views.trajectories.compute import Conversation, DriftR, Trajectories, TurnR

_NOT_SCORED = "not scored"


def over_turns_rows(found: TurnR) -> list[dict[str, str]]:
    """r over turns, mixed, between and within conversations."""
    r = found.pearson
    rows = (
        ("all turns", r.every, "turns, within responders"),
        ("between conversations", r.between, "mean of each conversation"),
        ("within conversations", r.within, "each turn less the mean of its conversation"),
        ("within, mean of each turn out", r.given_turn, "the same, less what all do at that turn"),
    )
    return [
        {
            "r": name,
            "value, 95% interval, p": estimate_text(one),
            "n": str(one.n),
            "groups": str(_groups(one)),
            "over": what,
        }
        for name, one, what in rows
    ]


def mean_rows(found: Trajectories) -> list[dict[str, str]]:
    """Mean projection and score of every turn."""
    return [
        {
            "turn": one.turn,
            "conversations": str(one.projection.n),
            "mean projection, 95% interval": estimate_text(one.projection),
            "scored": str(one.score.n),
            "mean score, 95% interval": estimate_text(one.score),
        }
        for one in found.means
    ]


def drift_rows(found: DriftR) -> list[dict[str, str]]:
    """r of the drift from one turn to every other."""
    return [
        {
            "from": found.start,
            "to": turn,
            "r, 95% interval, p": estimate_text(one),
            "n": str(one.n),
        }
        for turn, one in found.by_stop
    ]


def turn_rows(
    chosen: Sequence[Conversation], texts: Mapping[int, ScoredText]
) -> list[dict[str, str]]:
    """Every turn of some conversations; what is undefined says so.

    Args:
        chosen: conversations.
        texts: response id -> beginning of its text.
    """
    return [
        {
            "scenario": one.scenario,
            "responder": one.responder,
            "turn": point.turn,
            "projection": "undefined" if point.projection is None else f"{point.projection:+.3g}",
            "score": _NOT_SCORED if point.score is None else f"{point.score:g}",
            "text": _text(texts[point.response_id]),
        }
        for one in chosen
        for point in one.points
    ]


def _text(text: ScoredText) -> str:
    return f"{text.text}…" if text.cut else text.text


def _groups(found: Estimate) -> int:
    """How many independent groups its cases are in."""
    return found.n if found.groups is None else found.groups

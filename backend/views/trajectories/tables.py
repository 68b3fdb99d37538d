"""Turns as tables, which can be downloaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from backend.core.estimate import Estimate
from backend.store.run_values import ScoredText
from backend.views.shared.numbers import estimate_text
from backend.views.trajectories.compute import DriftR, Trajectories, Trajectory, TurnR

# Estimates named in a reason below a table; of more, their number.
_NAMED = 4
_NOT_SCORED = "not scored"


def over_turns_rows(found: TurnR) -> list[dict[str, str]]:
    """r over turns, mixed, between and within; :func:`missing` says why intervals lack."""
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
            "value, 95% interval, p": _short(one),
            "n": str(one.n),
            "groups": str(_groups(one)),
            "over": what,
        }
        for name, one, what in rows
    ]


def mean_rows(found: Trajectories) -> list[dict[str, str]]:
    """Mean projection and score of every turn; :func:`missing` says why intervals lack."""
    return [
        {
            "turn": one.turn,
            "conversations": str(one.projection.n),
            "mean projection, 95% interval": _short(one.projection),
            "scored": str(one.score.n),
            "mean score, 95% interval": _short(one.score),
        }
        for one in found.means
    ]


def drift_rows(found: DriftR) -> list[dict[str, str]]:
    """r of the drift from one turn to every other; :func:`missing` says why intervals lack."""
    return [
        {
            "from": found.start,
            "to": turn,
            "r, 95% interval, p": _short(one),
            "n": str(one.n),
        }
        for turn, one in found.by_stop
    ]


def missing(*tables: TurnR | Trajectories | DriftR) -> str:
    """Why intervals or p of these tables are missing, each reason once; empty if none is.

    Reasons are sentences, which the cells of a table have no room for.

    Args:
        tables: what the tables show.
    """
    named = [pair for table in tables for pair in _named(table)]
    found: dict[str, list[str]] = {}
    for name, one in named:
        if one.reason and one.value is not None:
            found.setdefault(one.reason, []).append(name)
    return " ".join(
        f"No interval{_which(names, len(named))}: {reason}." for reason, names in found.items()
    )


def _which(names: Sequence[str], of: int) -> str:
    """Whose reason it is; nothing where it is that of all."""
    if len(names) == of:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" ({', '.join(names[:_NAMED])}{more})"


def _named(table: TurnR | Trajectories | DriftR) -> Iterable[tuple[str, Estimate]]:
    """The estimates of a table by name."""
    if isinstance(table, TurnR):
        r = table.pearson
        return (
            ("all turns", r.every),
            ("between conversations", r.between),
            ("within conversations", r.within),
            ("within, mean of each turn out", r.given_turn),
        )
    if isinstance(table, DriftR):
        return ((f"drift to {turn}", one) for turn, one in table.by_stop)
    return (
        (f"{side} at {one.turn}", estimate)
        for one in table.means
        for side, estimate in (("projection", one.projection), ("score", one.score))
    )


def _short(found: Estimate) -> str:
    """A number as a cell has room for it: without the reason why it has no interval."""
    if found.value is None:
        return estimate_text(found)
    return estimate_text(dataclasses.replace(found, reason=None))


def turn_rows(
    chosen: Sequence[Trajectory], texts: Mapping[int, ScoredText]
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

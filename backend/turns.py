"""Turns of a conversation, by name.

``t1``, ``t2``, ... count the turns of a conversation from 1. ``tN`` is its last turn where nobody
says which number that has; a study has either numbers or tN. A study without turns has None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FIRST, LAST = "t1", "tN"
# More than any conversation that fits into a model has; a larger number is a wrong column.
MOST = 9999
_NUMBER = re.compile(r"t?0*([1-9][0-9]{0,3})(?:\.0+)?", re.ASCII)


def turn_of(value: object) -> str | None:
    """The name of a turn as a table may write it: 3, "3", "t3", 3.0 or "tN"; None if it is none.

    Args:
        value: of the table's cell. Numbers run from 1 to MOST.
    """
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        text = str(value)
    else:
        return None
    if text == LAST:
        return text
    found = _NUMBER.fullmatch(text)
    return None if found is None else f"t{found[1]}"


def name_turns(values: Iterable[object]) -> bool:
    """Whether values of a table are turns as a study may write them: numbers, or t1 and tN.

    Args:
        values: of the table's column, as :func:`turn_of` takes them.
    """
    found = {turn_of(value) for value in values}
    return None not in found and (LAST not in found or found <= {FIRST, LAST})


def turn_order(turn: str | None) -> int:
    """Where a turn comes in its conversation: its number; tN after all, no turn before all."""
    if turn is None:
        return 0
    return MOST + 1 if turn == LAST else int(turn[1:])


def ends_of(turns: Iterable[str]) -> tuple[str, str] | None:
    """The first and the last turn of a conversation, between which its drift is; None where it
    has fewer than two.

    Args:
        turns: of its responses.
    """
    ordered = sorted(set(turns), key=turn_order)
    return (ordered[0], ordered[-1]) if len(ordered) > 1 else None


def turn_title(turn: str | None) -> str:
    """A turn in words, as a heading; a response without turns is just that."""
    if turn is None:
        return "Response"
    names = {FIRST: "First turn (t1)", LAST: "Last turn (tN)"}
    return names.get(turn) or f"Turn {turn_order(turn)} ({turn})"

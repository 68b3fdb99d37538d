"""The chat before a response."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from backend.studies.faults import FaultList
from backend.types import Message

_FORM = 'Write [{"role": "user", "content": "..."}, ...].'


def read_messages(
    name: str, line: int, value: Any, faults: FaultList
) -> tuple[Message, ...] | None:
    """The messages, or None after noting what is wrong.

    Args:
        name: file name.
        line: line of the row.
        value: list of objects, the same as a JSON string, or None for no chat.
        faults: told of everything wrong.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as fault:
            faults.add(name, line, f"messages is not JSON: {fault}.", _FORM)
            return None
    if not isinstance(value, list) or not all(_is_message(item) for item in value):
        faults.add(name, line, "messages is no list of role and content.", _FORM)
        return None
    messages = tuple(Message(item["role"], item["content"]) for item in value)
    problem = _problem([message.role for message in messages])
    if problem is not None:
        faults.add(name, line, *problem)
        return None
    return messages


def _is_message(item: object) -> bool:
    return (
        isinstance(item, dict)
        and item.keys() == {"role", "content"}
        and isinstance(item["role"], str)
        and isinstance(item["content"], str)
        and bool(item["content"].strip())
    )


def _problem(roles: list[str]) -> tuple[str, str] | None:
    """What is wrong with the order of speakers, and its remedy."""
    for role in roles:
        if role not in ("system", "user", "assistant"):
            return f"Unknown role {role!r} in messages.", "Use system, user or assistant."
    if "system" in roles[1:]:
        return "A system message stands after the first.", "Put it first, or remove it."
    speakers = [role for role in roles if role != "system"]
    if speakers and speakers[-1] != "user":
        return "The last message is not the user's.", "End the chat before the response."
    if any(a == b for a, b in pairwise(speakers)):
        return "Two messages of one role follow each other.", "Join them into one."
    return None

"""The chat before a response."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from backend.studies.faults import FaultList, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.tables import text_problem
from backend.types import Message

_FORM = 'Write [{"role": "user", "content": "..."}, ...].'
_NO_LIST = "messages is no list of role and content"
_ROLES = ("system", "user", "assistant")
_KEPT = ("role", "content")
# Roles of common chat interfaces that a chat template of a model does not know -> what to do.
_OTHER_ROLES = {
    "developer": "Use system, user or assistant: a developer's message is a system message.",
    "tool": "Use system, user or assistant: leave calls of tools and their results out.",
    "function": "Use system, user or assistant: leave calls of tools and their results out.",
}


def read_messages(
    name: str, line: int, value: Any, faults: FaultList
) -> tuple[Message, ...] | None:
    """The messages, or None after noting what is wrong.

    Keys besides role and content are kept out, and noted once a file.

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
            value = parse_json(value)
            count_values(value)
        except JsonFault as fault:
            faults.add(
                name,
                line,
                f"messages is not JSON that can be read: {fault.what}",
                fault.remedy or _FORM,
                fault.value,
            )
            return None
    if not isinstance(value, list):
        faults.add(name, line, f"{_NO_LIST}: it is {{}}.", _FORM, shown(value))
        return None
    messages: list[Message] = []
    good = True
    for item, entry in enumerate(value, start=1):
        message = _message(name, line, item, entry, faults)
        if message is None:
            good = False
        else:
            messages.append(message)
    if not good:
        return None
    problem = _problem([message.role for message in messages])
    if problem is not None:
        faults.add(name, line, *problem)
        return None
    return tuple(messages)


def _message(name: str, line: int, item: int, entry: object, faults: FaultList) -> Message | None:
    """One message, or None after noting its item and key that cannot be read."""
    if not isinstance(entry, dict):
        faults.add(name, line, f"{_NO_LIST}: item {item} is {{}}.", _FORM, shown(entry))
        return None
    role = entry.get("role")
    if not isinstance(role, str):
        said = "has no role" if role is None else "has the role {}, not text"
        value = None if role is None else shown(role)
        faults.add(name, line, f"{_NO_LIST}: item {item} {said}.", _FORM, value)
        return None
    if role not in _ROLES:
        remedy = _OTHER_ROLES.get(role, "Use system, user or assistant.")
        faults.add(name, line, f"Unknown role {{}} in messages, item {item}.", remedy, shown(role))
        return None
    content = _content(entry.get("content"))
    if content is None:
        if "content" not in entry:
            said, value = "has no content", None
        else:
            said, value = "has the content {}, not text", shown(entry["content"])
        faults.add(
            name,
            line,
            f"{_NO_LIST}: item {item} ({role}) {said}.",
            "Give it a role and a text, or leave the message out and join its neighbours.",
            value,
        )
        return None
    problem = text_problem(content) if content.strip() else "is empty"
    if problem is not None:
        faults.add(name, line, f"messages, item {item} ({role}): content {problem}.", _FORM)
        return None
    for key, extra in entry.items():
        if key not in _KEPT and extra is not None:
            faults.note(
                name,
                line,
                "messages have the key {}: it is left out.",
                "Only role and content are kept.",
                shown(key),
            )
    return Message(role, content)


def _content(value: object) -> str | None:
    """The text of a message's content, also where it is a list of one part of type text."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        (part,) = value
        value = part.get("text") if part.get("type") == "text" else None
    return value if isinstance(value, str) else None


def _problem(roles: list[str]) -> tuple[str, str] | None:
    """What is wrong with the order of speakers, and its remedy."""
    if "system" in roles[1:]:
        return "A system message stands after the first.", "Put it first, or remove it."
    speakers = [role for role in roles if role != "system"]
    if roles and not speakers:
        return "The chat has a system message alone.", "End it with the user's message."
    if speakers and speakers[-1] != "user":
        return "The last message is not the user's.", "End the chat before the response."
    if any(a == b for a, b in pairwise(speakers)):
        return "Two messages of one role follow each other.", "Join them into one."
    return None

"""The chat before a response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from backend.studies.faults import FaultKind, FaultList, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.tables import text_problem
from backend.types import Message

_FORM = 'Write [{"role": "user", "content": "..."}, ...].'
_NO_LIST = "messages is no list of role and content"
_ROLES = ("system", "user", "assistant")
_KEPT = ("role", "content")
_ROLES_REMEDY = "Use system, user or assistant"
# Roles of common chat interfaces that a chat template of a model does not know -> what to do.
_OTHER_ROLES = {
    "developer": f"{_ROLES_REMEDY}: a developer's message is a system message.",
    "tool": f"{_ROLES_REMEDY}: leave calls of tools and their results out.",
    "function": f"{_ROLES_REMEDY}: leave calls of tools and their results out.",
    **dict.fromkeys(
        ("human", "ai", "gpt", "bot", "model"),
        f"{_ROLES_REMEDY}: a human is the user, and ai, gpt, bot or model the assistant.",
    ),
}
_SHAREGPT = (
    'Write role for "from" (user for human, assistant for gpt) and content for "value": '
    '[{"role": "user", "content": "..."}, ...].'
)


class _Wrong:
    """What is wrong with the items of one chat: one fault a kind, which lists its items."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], tuple[str, FaultKind]] = {}

    def add(
        self, what: str, said: str, remedy: str, item: int, value: str = "", speaker: str = ""
    ) -> None:
        """Note an item.

        Args:
            what: the fault of all items of the kind, with ``{}`` where they are listed.
            said: the first of them, with ``{item}`` and ``{value}``.
            remedy: what to do about it.
            item: its number in the chat, from 1.
            value: what was found there.
            speaker: its role, where that is known.
        """
        key = (what, said, remedy)
        if key in self._kinds:
            self._kinds[key][1].add(item, value)
            return
        named = f"item {item}" + (f" ({speaker})" if speaker else "")
        first = said.replace("{item}", named, 1).replace("{value}", value, 1)
        self._kinds[key] = (first, FaultKind(item, value))

    def tell(self, name: str, line: int, faults: FaultList) -> bool:
        """Tell of all kinds as faults of a line, and say whether there are any."""
        for (what, _, remedy), (first, kind) in self._kinds.items():
            also = f", also {kind.places('item')}" if kind.count > 1 else ""
            faults.add(name, line, what, remedy, f"{first}{also}")
        return bool(self._kinds)


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
    wrong = _Wrong()
    read = [_message(item, entry, wrong) for item, entry in enumerate(value, start=1)]
    if wrong.tell(name, line, faults):
        return None
    for key in dict.fromkeys(_extra_keys(value)):
        faults.note(
            name,
            line,
            "messages have the key {}: it is left out.",
            "Only role and content are kept.",
            shown(key),
        )
    messages = [message for message in read if message is not None]
    problem = _problem([message.role for message in messages])
    if problem is not None:
        faults.add(name, line, *problem)
        return None
    return tuple(messages)


def _message(item: int, entry: object, wrong: _Wrong) -> Message | None:
    """One message, or None after noting what of it cannot be read."""
    no_list = f"{_NO_LIST}: {{}}."
    if not isinstance(entry, dict):
        wrong.add(no_list, "{item} is {value}", _FORM, item, shown(entry))
        return None
    role = entry.get("role")
    if role is None and {"from", "value"} <= entry.keys():
        wrong.add(no_list, "{item} has from and value (ShareGPT)", _SHAREGPT, item)
        return None
    if role is None:
        wrong.add(no_list, "{item} has no role", _FORM, item)
        return None
    if not isinstance(role, str):
        wrong.add(no_list, "{item} has the role {value}, not text", _FORM, item, shown(role))
        return None
    if role not in _ROLES:
        remedy = _OTHER_ROLES.get(role, f"{_ROLES_REMEDY}.")
        wrong.add("Unknown role {}.", "{value} in messages, {item}", remedy, item, shown(role))
        return None
    content = _content(entry.get("content"))
    if content is None:
        remedy = "Give it a role and a text, or leave the message out and join its neighbours."
        if "content" not in entry:
            wrong.add(no_list, "{item} has no content", remedy, item, speaker=role)
        elif isinstance(entry["content"], list) and len(entry["content"]) > 1:
            said = "{item} has the content {value}, several parts"
            remedy = "Write its text as one string, and leave out what is no text."
            wrong.add(no_list, said, remedy, item, shown(entry["content"]), role)
        else:
            said = "{item} has the content {value}, not text"
            wrong.add(no_list, said, remedy, item, shown(entry["content"]), role)
        return None
    problem = text_problem(content) if content.strip() else "is empty"
    if problem is not None:
        wrong.add("messages, {}.", f"{{item}}: content {problem}", _FORM, item, speaker=role)
        return None
    return Message(role, content)


def _extra_keys(entries: Iterable[dict[str, object]]) -> Iterator[str]:
    """Keys of messages besides role and content that have a value."""
    for entry in entries:
        yield from (key for key, value in entry.items() if key not in _KEPT and value is not None)


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

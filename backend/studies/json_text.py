"""JSON as a study may hold it: no key twice, nothing that cannot be kept, every trap a sentence."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from backend.studies.faults import shown
from backend.studies.limits import MOST_COLUMNS, MOST_DEPTH, MOST_DIGITS

# Only an escape can bring half of a character into a decoded text.
_HALF_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SMALLER = "Write a smaller one."
_SPACE = re.compile(r"[ \t\n\r]*")
_Found = TypeVar("_Found")


class JsonFault(ValueError):
    """Why a text is not JSON that can be kept.

    Attributes:
        what: what is wrong, with ``{}`` where the value stands.
        value: what was found, or None.
        line: line of the text, from 1, where it is known.
        remedy: what to do about it; None where it is to write JSON.
    """

    def __init__(
        self,
        what: str,
        value: str | None = None,
        *,
        line: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.value = value
        self.line = line
        self.remedy = remedy
        super().__init__(what if value is None else what.replace("{}", value, 1))


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Args:
        text: decoded.

    Raises:
        JsonFault: it is not JSON, holds a key twice, a number beyond any that is kept or half a
            character, or is nested too deeply.
    """
    with _as_fault():
        value = _DECODER.decode(text)
    if _HALF_ESCAPE.search(text):
        _check_characters(value)
    return value


def parse_items(text: str) -> list[tuple[int, Any]]:
    """The items of a JSON array, each with the line on which it begins, from 1.

    Args:
        text: decoded; its first sign but white space is ``[``.

    Raises:
        JsonFault: as for :func:`parse_json`, with the number of the item.
    """
    found: list[tuple[int, Any]] = []
    line, counted = 1, 0
    at = _after_space(text, text.index("[") + 1)
    with _as_fault():
        while not text.startswith("]", at):
            line, counted = line + text.count("\n", counted, at), at
            try:
                value, at = _DECODER.raw_decode(text, at)
            except JsonFault as fault:
                raise _of_item(fault, line, len(found) + 1) from fault
            except RecursionError as fault:
                raise _of_item(_too_deep(), line, len(found) + 1) from fault
            found.append((line, value))
            at = _after_space(text, at)
            if text.startswith(",", at):
                at = _after_space(text, at + 1)
                if text.startswith("]", at):
                    raise json.JSONDecodeError("Expecting value", text, at)
            elif not text.startswith("]", at):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        if _after_space(text, at + 1) < len(text):
            raise json.JSONDecodeError("Extra data", text, at + 1)
    if _HALF_ESCAPE.search(text):
        checked_items(found, _check_characters)
    return found


def checked_items(items: Sequence[tuple[int, object]], check: Callable[[object], _Found]) -> _Found:
    """What a check finds in the list of all items.

    Args:
        items: from :func:`parse_items`.
        check: of a JSON value.

    Raises:
        JsonFault: the check's, with the number of the first item that has it.
    """
    try:
        return check([value for _, value in items])
    except JsonFault:
        for number, (line, value) in enumerate(items, start=1):
            try:
                check([value])
            except JsonFault as fault:
                raise _of_item(fault, line, number) from fault
        raise


def _of_item(fault: JsonFault, line: int, number: int) -> JsonFault:
    """A fault with the item of an array in which it is, and the line on which that begins."""
    what = f"Item {number}: {fault.what}"
    return JsonFault(what, fault.value, line=line, remedy=fault.remedy)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


@contextmanager
def _as_fault() -> Iterator[None]:
    """Python's errors of parsing as faults."""
    try:
        yield
    except json.JSONDecodeError as fault:
        place = f"{fault.msg.removesuffix(' at')} at character {fault.colno}"
        raise JsonFault("Not JSON: {}.", place, line=fault.lineno) from fault
    except RecursionError as fault:
        raise _too_deep() from fault


def count_values(value: object) -> int:
    """How many values a JSON value holds, itself included.

    Raises:
        JsonFault: it is nested too deeply.
    """
    count = 0
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        count += len(level)
        level = [
            inner
            for item in level
            if type(item) is dict or type(item) is list
            for inner in (item.values() if type(item) is dict else item)
        ]
        if not level:
            return count
    raise _too_deep()


def _too_deep() -> JsonFault:
    return JsonFault(f"Lists or objects stand in each other, more than {MOST_DEPTH} deep.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_COLUMNS:
        raise JsonFault(
            f"An object has {{}} keys; at most {MOST_COLUMNS:,} are read.", f"{len(pairs):,}"
        )
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise JsonFault("The key {} stands twice.", shown(twice), remedy="Keep one of them.")
    return values


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise JsonFault("A number has {} digits.", f"{len(digits):,}", remedy=_SMALLER)
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonFault("The number {} is too large.", shown(digits)[1:-1], remedy=_SMALLER)
    return number


# Made once: building one takes longer than reading a line.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_real)


def _check_characters(value: object) -> None:
    """Refuse surrogates that are no pair: they are no text, and no file can hold them."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as fault:
        half = fault.object[fault.start]
        raise JsonFault(
            "A text holds half of a character ({}): the other half was cut off.",
            half.encode("unicode_escape").decode(),
            remedy="Write the text again from where it came, or remove that character.",
        ) from fault
    except RecursionError as fault:
        raise _too_deep() from fault

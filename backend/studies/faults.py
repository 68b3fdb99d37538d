"""Collect faults while reading, so that a user mends a study in one go."""

from __future__ import annotations

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from backend.errors import Fault, StudyFaults

MOST = 200
# The file of what is wrong with no single one.
ALL_FILES = "(all files)"
# Kinds of faults kept in all: a file can be wrong in a million ways.
_MOST_KINDS = 2_000
# Faults after which nothing more is read.
_ENOUGH = 50_000
# Further places that a fault names before it only counts them.
_PLACES = 5
_MOST_WHAT = 2_000
_MOST_SHOWN = 80
_MOST_COMPARED = 100
_MOST_KNOWN = 20


@dataclass
class FaultKind:
    """All places of one kind of fault.

    Attributes:
        line: of the first place.
        value: what was found there; None where the kind has no value.
        again: lines of the next places that show a value seen before.
        others: line and value of the next places with another value.
        count: of all places; a value that stands again on the same line counts once.
        last: line of the place noted last.
    """

    line: int | None
    value: str | None
    again: list[int] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)
    count: int = 1
    last: int | None = None

    def __post_init__(self) -> None:
        self.last = self.line

    def add(self, line: int | None, value: str | None) -> None:
        """Note another place."""
        if line is not None and line == self.last and self._is_seen(value):
            return
        self.count += 1
        if line is None:
            return
        self.last = line
        if value is None or self._is_seen(value):
            if len(self.again) < _PLACES:
                self.again.append(line)
        elif len(self.others) < _PLACES:
            self.others.append((line, value))

    def _is_seen(self, value: str | None) -> bool:
        return value == self.value or any(value == seen for _, seen in self.others)

    def what(self, template: str) -> str:
        """The kind in words, with its places."""
        said = template if self.value is None else template.replace("{}", self.value, 1)
        return said if self.count == 1 else f"{said} Also {self.places('line')}."

    def places(self, noun: str) -> str:
        """All places but the first. Args: what a place is."""
        places = []
        if self.again:
            nouns = noun if len(self.again) == 1 else f"{noun}s"
            places.append(f"{nouns} {', '.join(map(str, self.again))}")
        places += [f"{noun} {line} ({value})" for line, value in self.others]
        left = self.count - 1 - len(self.again) - len(self.others)
        if left:
            places.append(f"{left} more")
        return f"{', '.join(places[:-1])} and {places[-1]}" if len(places) > 1 else places[0]


class _Places:
    """Kinds of faults, in the order they were met."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], FaultKind] = {}
        self._left_out = 0
        self.count = 0

    def add(self, file: str, line: int | None, what: str, remedy: str, value: str | None) -> None:
        """Note a place."""
        self.count += 1
        key = (file, what, remedy)
        kind = self._kinds.get(key)
        if kind is not None:
            kind.add(line, value)
        elif len(self._kinds) < _MOST_KINDS:
            self._kinds[key] = FaultKind(line, value)
        else:
            self._left_out += 1

    def extend(self, other: _Places) -> None:
        """Note the places of another list, whose kinds are not here yet."""
        self._kinds |= other._kinds
        self._left_out += other._left_out
        self.count += other.count

    def listed(self) -> list[Fault]:
        """One fault a kind, by file and line; at most ``MOST``, and the rest counted."""
        found = [
            Fault(_plain(file), kind.line, _plain(kind.what(what)), _plain(remedy))
            for (file, what, remedy), kind in self._kinds.items()
        ]
        found.sort(key=lambda fault: (fault.file, fault.line or 0))
        more = len(found) - MOST + self._left_out
        if more > 0:
            found[MOST:] = [
                Fault(ALL_FILES, None, f"{more} more faults are not listed.", "Fix these first.")
            ]
        return found


class FaultList:
    """Faults and notes found so far."""

    def __init__(self) -> None:
        self._faults = _Places()
        self._notes = _Places()

    def add(
        self, file: str, line: int | None, what: str, remedy: str, value: str | None = None
    ) -> None:
        """Note a fault; faults of one wording become one that lists its lines.

        Args:
            file: see :class:`backend.errors.Fault`.
            line: likewise.
            what: what is wrong, with ``{}`` where the value stands if one is given.
            remedy: what to do about it.
            value: what was found there, from :func:`shown`; None where ``what`` says it all.

        Raises:
            StudyFaults: there are tens of thousands already.
        """
        self._faults.add(file, line, what, remedy, value)
        if self._faults.count >= _ENOUGH:
            self.raise_if_any()

    def note(
        self, file: str, line: int | None, what: str, remedy: str, value: str | None = None
    ) -> None:
        """Note what a user should know though the study is kept. Args: as for :meth:`add`."""
        self._notes.add(file, line, what, remedy, value)

    def extend(self, other: FaultList) -> None:
        """Note what another list has noted."""
        self._faults.extend(other._faults)
        self._notes.extend(other._notes)

    @property
    def count(self) -> int:
        """How many faults were noted so far."""
        return self._faults.count

    @property
    def notes(self) -> tuple[Fault, ...]:
        """What a user should know though the study is kept, by file and line."""
        return tuple(self._notes.listed())

    def raise_if_any(self) -> None:
        """Raise all faults at once.

        Raises:
            StudyFaults: if there are any; at most ``MOST`` are listed and the rest counted.
        """
        found = self._faults.listed()
        if found:
            raise StudyFaults(found)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or the known names."""
    names = sorted(known)
    normal = unicodedata.normalize("NFC", name)
    for entry in names:
        if entry != name and unicodedata.normalize("NFC", entry) == normal:
            return f"{entry!r} differs from it in Unicode normalisation only: write both alike."
    near = near_name(name, names)
    if near is not None:
        return f"Did you mean {near!r}?"
    more = f" and {len(names) - _MOST_KNOWN} more" if len(names) > _MOST_KNOWN else ""
    return f"Known are {', '.join(names[:_MOST_KNOWN])}{more}."


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name was probably meant to be, or None."""
    if len(name) > _MOST_COMPARED:
        return None
    by_case = {entry.casefold(): entry for entry in known}
    near = difflib.get_close_matches(name.casefold().strip(), sorted(by_case), n=1)
    return by_case[near[0]] if near else None


class _Short(reprlib.Repr):
    """How a value of any size is quoted."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _MOST_SHOWN
        self.maxlevel = 2

    def repr_bytes(self, value: bytes, level: int) -> str:
        """Bytes, without making text of all of them."""
        return repr(value[:20]) + ("..." if len(value) > 20 else "")


_SHORT = _Short()


def shown(value: object) -> str:
    """A value as a message quotes it: like ``repr``, cut to a line."""
    if isinstance(value, str) and len(value) <= _MOST_SHOWN:
        return repr(value)
    text = _SHORT.repr(value)
    return text if len(text) <= 2 * _MOST_SHOWN else f"{text[: 2 * _MOST_SHOWN]}..."


def _plain(text: str) -> str:
    """Text that any terminal, page and file can show: one line, no half characters."""
    cut = text if len(text) <= _MOST_WHAT else f"{text[:_MOST_WHAT]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)

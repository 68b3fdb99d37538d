"""Collect faults while reading, so that a user mends a study in one go."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from backend.errors import Fault, StudyFaults

MOST = 200


class FaultList:
    """Faults found so far."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, file: str, line: int | None, what: str, remedy: str) -> None:
        """Note a fault. See :class:`backend.errors.Fault`."""
        self._faults.append(Fault(file, line, what, remedy))

    def raise_if_any(self) -> None:
        """Raise all faults at once.

        Raises:
            StudyFaults: if there are any; at most ``MOST`` are listed and the rest counted.
        """
        if not self._faults:
            return
        order = sorted(self._faults, key=lambda fault: (fault.file, fault.line or 0))
        shown = order[:MOST]
        if len(order) > MOST:
            more = f"{len(order) - MOST} more faults are not listed."
            shown.append(Fault("(all files)", None, more, "Mend those above first."))
        raise StudyFaults(shown)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or the known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(names)}."

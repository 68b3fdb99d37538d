"""What changes a store: refused where it may only be read, or to who may only look, and else
written down.

Each function that starts, imports, saves, cancels or deletes something asks here first, so that
no page and no command can leave the question out.
"""

from __future__ import annotations

import datetime
import getpass
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from backend.errors import NotAllowed, ReadOnly, StoreError
from backend.settings import Settings

NAME = "audit.sqlite"
# How long a change waits for another process that is writing its own down.
_WAIT_SECONDS = 10.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS changes"
    " (at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, which TEXT NOT NULL)"
)


@dataclass(frozen=True)
class Change:
    """One call that changed the store, or was about to.

    Attributes:
        at: UTC, ISO 8601.
        who: e-mail address of the user who had logged in; without log-in, the user of the operating
            system whose process made it.
        what: such as ``delete run``.
        which: name of the run, study, vector, note or job.
    """

    at: str
    who: str
    what: str
    which: str


def changing(settings: Settings, what: str, which: str) -> None:
    """Write down that a change is about to be made. Call before it.

    Args:
        settings: where the store is, and who asks.
        what: such as ``delete run``.
        which: name of the run, study, vector, note or job.

    Raises:
        ReadOnly: nothing may be changed here.
        NotAllowed: who asks may only look.
        StoreError: it cannot be written down, so it must not be done.
    """
    if settings.read_only:
        raise ReadOnly(
            f"This Steerscope is read-only: it cannot {what} {which}.",
            expected="looking, comparing and downloading.",
            remedy="ask whoever runs it, or run your own; STEERSCOPE_READ_ONLY=1 is set here.",
        )
    actor = settings.actor
    if actor is not None and not actor.may_change:
        raise NotAllowed(
            f"{actor.name} is a viewer here and cannot {what} {which}.",
            expected="an operator; viewers look, compare and download.",
            remedy="ask whoever runs this Steerscope to make you an operator.",
        )
    who = _user() if actor is None else actor.name
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        settings.cache.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(_path(settings), timeout=_WAIT_SECONDS)) as audit, audit:
            audit.execute(_TABLE)
            audit.execute("INSERT INTO changes VALUES (?, ?, ?, ?)", (moment, who, what, which))
    except (sqlite3.Error, OSError) as fault:
        raise StoreError(
            f"The change ({what} {which}) cannot be written down in {NAME}: {fault}.",
            expected="a cache folder that can be written to, with room on its disk.",
            remedy="make room or mend the folder's rights; for looking only, set "
            "STEERSCOPE_READ_ONLY=1.",
        ) from fault


def changes(settings: Settings) -> tuple[Change, ...]:
    """All changes, oldest first.

    Args:
        settings: where the store is.

    Raises:
        StoreError: they cannot be read.
    """
    if not _path(settings).exists():
        return ()
    try:
        with closing(sqlite3.connect(_path(settings), timeout=_WAIT_SECONDS)) as audit:
            rows = audit.execute("SELECT at, who, what, which FROM changes ORDER BY rowid")
            return tuple(Change(*map(str, row)) for row in rows)
    except sqlite3.Error as fault:
        raise StoreError(
            f"{NAME} cannot be read: {fault}.",
            expected="the table of changes that Steerscope has written.",
            remedy="move the file away; a new one is begun at the next change.",
        ) from fault


def _path(settings: Settings) -> Path:
    return settings.cache / NAME


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number without a name
        return "unknown"

"""What all caches on one queue have together, and how each of them is kept equal to it.

A file of the shared place is called ``<kind>/<name>~<revision>~<hash><suffix>``, and one that has
been deleted leaves ``<kind>/<name>~<revision>~deleted``. Such a name is written once and never
again: a run that is derived again, or a log that grows, is the next revision of its name, and the
highest revision counts (of two with the same number, made in the same moment, the one with the
greater hash). So one listing tells a cache everything: what it lacks, what is newer there and what
was deleted. Files are whole when they have their name, and are compared with their hash when they
have been fetched.

Each cache remembers in ``shared.sqlite`` which revision each of its own files is. A file that has
changed since, or is new, goes to the shared place; a file that is missing here is fetched again, as
only who deletes through Steerscope means it to be gone everywhere. Where two caches made different
files of one name, the one that is in the shared place first keeps the name, and the other is moved
to ``aside/``.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import secrets
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import NoRoom, SharedAway, StoreError
from backend.names import DATED_NAME, VECTOR_NAME, may_name_file
from backend.settings import Settings
from backend.store.connection import discard, publish
from backend.store.file_cache import FileIdentity, identities
from backend.store.locks import try_lock
from backend.store.places import SharedPlace, place_of, too_large
from backend.store.room import writing

logger = logging.getLogger("steerscope.shared")
Bytes = io.BytesIO | io.BufferedReader

NAME = "shared.sqlite"
MARKER = "steerscope.json"
_DELETED = "deleted"
# Half of a sha256, as a file's name has at most 255 bytes.
_DIGITS = 32
_FETCHING = "fetch-"
_ABANDONED_SECONDS = 86_400.0
_WAIT_SECONDS = 10.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS place (url TEXT NOT NULL, id TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS known (kind TEXT NOT NULL, name TEXT NOT NULL,"
    " revision INTEGER NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
    " mtime_ns INTEGER NOT NULL, PRIMARY KEY (kind, name))",
)


def _names_log(name: str) -> bool:
    """A job's name, and the id of a cache after a sign that no job's holds."""
    job, mark, cache = name.partition("~")
    return may_name_file(job) and (not mark or may_name_file(cache))


def _names_dated(name: str) -> bool:
    return DATED_NAME.fullmatch(name) is not None


def _names_vector(name: str) -> bool:
    return VECTOR_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class FileKind:
    """One kind of file that is shared.

    Attributes:
        name: its folder in the shared place.
        folder: where a cache keeps it, below the cache.
        suffix: of its files.
        may_be_called: whether a file may have a name, without suffix; files of others are left
            where they are.
        most_bytes: of a file; None for as many as leave room on the disk.
    """

    name: str
    folder: str
    suffix: str
    may_be_called: Callable[[str], bool]
    most_bytes: int | None


# Whatever stands in the folder of notes or dose-responses is read no further than this.
NOTE_BYTES, DOSE_BYTES = 32_768, 64_000_000
# What an import may hold at most (64 MiB, unpacked) takes less than this in a file of the store.
_IMPORTED_BYTES = 256 * 2**20
# In the order of fetching: small things first, and a run's study before the run.
KINDS = {
    kind.name: kind
    for kind in (
        FileKind("logs", "jobs/logs", ".log", _names_log, 64 * 2**20),
        FileKind("notes", "notes", ".json", _names_dated, NOTE_BYTES),
        FileKind("doses", "doses", ".json", _names_dated, DOSE_BYTES),
        FileKind("studies", "studies", ".duckdb", may_name_file, _IMPORTED_BYTES),
        FileKind("vectors", "vectors", ".duckdb", _names_vector, _IMPORTED_BYTES),
        FileKind("imported-vectors", "vectors/imported", ".duckdb", _names_vector, _IMPORTED_BYTES),
        FileKind("runs", "runs", ".duckdb", may_name_file, None),
    )
}
# Of the disk, what a file without a limit of its own leaves free.
_ROOM_BYTES = 2**30


@dataclass(frozen=True, order=True)
class Version:
    """One revision of a file in the shared place; the greatest counts.

    Attributes:
        revision: from 1.
        digest: first half of the sha256 of its bytes, in hexadecimal; empty where it is deleted.
    """

    revision: int
    digest: str

    @property
    def deleted(self) -> bool:
        """Whether the file of this name has been deleted."""
        return not self.digest

    def file(self, kind: FileKind, name: str) -> str:
        """What its file is called in the shared place."""
        if self.deleted:
            return f"{name}~{self.revision}~{_DELETED}"
        return f"{name}~{self.revision}~{self.digest}{kind.suffix}"


@dataclass
class Exchanged:
    """What one exchange has done.

    Attributes:
        published: files that are now in the shared place.
        fetched: files that are now in this cache.
        removed: files that were deleted elsewhere and are now gone here.
        aside: files of this cache that lost their name to another.
        failed: what could not be done now, as sentences.
    """

    published: int = 0
    fetched: int = 0
    removed: int = 0
    aside: int = 0
    failed: list[str] = field(default_factory=list)


def exchange(settings: Settings) -> Exchanged | None:
    """Bring this cache and the shared place to the same state. Nothing where there is no shared
    place, or while another process of this cache does the same.

    A file that cannot be exchanged holds up no other; it is tried again the next time.

    Args:
        settings: of the cache. Where nothing may be changed, nothing is published.

    Raises:
        SharedAway: the shared place cannot be asked.
        SteerscopeError: it is named in a way that means nothing.
    """
    if not settings.shared:
        return None
    settings.make_folders()
    lock = try_lock(settings.jobs / "shared.lock")
    if lock is None:
        return None
    with closing(lock):
        return _Exchange(settings).everything()


def share(settings: Settings, kind: str, name: str) -> None:
    """Bring one file to the same state here and in the shared place, now; nothing where there is no
    shared place.

    Args:
        settings: of the cache.
        kind: of :data:`KINDS`.
        name: of the file, without suffix.

    Raises:
        SharedAway: the shared place cannot be asked.
        StoreError: what was fetched is not what was published.
        NoRoom: the disk is full.
    """
    if settings.shared:
        settings.make_folders()
        _Exchange(settings).one(KINDS[kind], name)


def share_deletion(settings: Settings, kind: str, name: str) -> None:
    """Say in the shared place that a file is deleted, before it is deleted here; nothing where
    there is no shared place.

    Args:
        settings: of the cache.
        kind: of :data:`KINDS`.
        name: of the file, without suffix.

    Raises:
        SharedAway: the shared place cannot be asked; then it must not be deleted here either.
    """
    if settings.shared:
        _Exchange(settings).delete(KINDS[kind], name)


def place_id(settings: Settings) -> str:
    """What tells one shared place from another, however each host names it; empty where there is
    none. A new place is given one.

    Raises:
        SharedAway: the shared place cannot be asked, or is not the one that it was.
    """
    return _Exchange(settings).place_id if settings.shared else ""


class _Exchange:
    """One look at the shared place.

    Raises:
        SharedAway: it cannot be asked, or is empty where there was one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place: SharedPlace = place_of(settings)
        self._memory = _Memory(settings)
        self._done = Exchanged()
        self.place_id = self._joined()

    def everything(self) -> Exchanged:
        """All files of all kinds."""
        for left in self._settings.work.glob(f"{_FETCHING}*"):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                discard(left)
        for kind in KINDS.values():
            here = self._here(kind)
            # Before what is there: of a file that is published meanwhile, less is known than is so.
            known = self._memory.all(kind)
            there = self._there(kind)
            for name in sorted(here.keys() | there.keys() | known.keys()):
                try:
                    self._bring(kind, name, here.get(name), there.get(name, []), known.get(name))
                except SharedAway:
                    raise
                except (StoreError, OSError) as fault:
                    self._done.failed.append(f"{kind.name}/{name}: {fault}")
        return self._done

    def one(self, kind: FileKind, name: str) -> None:
        """One file."""
        here = FileIdentity.of(self._path(kind, name))
        self._bring(
            kind,
            name,
            here if here.size >= 0 else None,
            self._there(kind).get(name, []),
            self._memory.all(kind).get(name),
        )

    def delete(self, kind: FileKind, name: str) -> None:
        """Leave word that a file is gone, and remove its revisions."""
        found = self._there(kind).get(name, [])
        if found and not max(found).deleted:
            self._announce(kind, name, Version(max(found).revision + 1, ""), found, io.BytesIO())
        # What is known of the file stays: an exchange before it is gone here would take it for one
        # that was made anew, and the next exchange forgets it.

    # -- what there is ---------------------------------------------------------------------------

    def _joined(self) -> str:
        """The place's id: as it says of itself, or a new one."""
        said = self._place.read("", MARKER)
        url, known = self._memory.place()
        if said is None:
            if known and url == self._settings.shared:
                # As an empty folder where a drive is not mounted: everything would go there anew.
                raise SharedAway(
                    f"The shared place {url} is empty, and this cache knows one with files there.",
                    expected=f"its {MARKER}, which every shared place holds.",
                    remedy="mount the drive. If the place is meant to begin anew, delete "
                    f"{NAME} in the cache folders that use it.",
                )
            content = json.dumps({"steerscope": "shared place", "id": secrets.token_hex(8)})
            self._place.put_first("", MARKER, content.encode())
            said = self._place.read("", MARKER)
        try:
            found = json.loads(said or b"")["id"]
        except (ValueError, LookupError, TypeError) as fault:
            raise SharedAway(
                f"{MARKER} in the shared place {self._settings.shared} cannot be read.",
                expected="the file that Steerscope made there.",
                remedy="choose another shared place, or put the file back.",
            ) from fault
        if (url, known) != (self._settings.shared, found):
            self._memory.join(self._settings.shared, str(found), afresh=known != found)
        return str(found)

    def _folder(self, kind: FileKind) -> Path:
        return self._settings.cache / kind.folder

    def _path(self, kind: FileKind, name: str) -> Path:
        return self._folder(kind) / f"{name}{kind.suffix}"

    def _here(self, kind: FileKind) -> dict[str, FileIdentity]:
        folder = self._folder(kind)
        if not folder.is_dir():
            return {}
        found = identities(folder, kind.suffix)
        return {name: identity for name, identity in found.items() if kind.may_be_called(name)}

    def _there(self, kind: FileKind) -> dict[str, list[Version]]:
        pattern = re.compile(
            rf"(.+)~([0-9]{{1,6}})~(?:([0-9a-f]{{{_DIGITS}}}){re.escape(kind.suffix)}|{_DELETED})"
        )
        found: dict[str, list[Version]] = {}
        for name in self._place.names(kind.name):
            match = pattern.fullmatch(name)
            if match is not None and not kind.may_be_called(match[1]):
                self._done.failed.append(
                    f"{match[1][:80]!r} of {kind.name} is left in the shared place: no file of "
                    "this kind is called so."
                )
            elif match is not None:
                found.setdefault(match[1], []).append(Version(int(match[2]), match[3] or ""))
        return found

    # -- one file --------------------------------------------------------------------------------

    def _bring(
        self,
        kind: FileKind,
        name: str,
        here: FileIdentity | None,
        there: list[Version],
        known: _Known | None,
    ) -> None:
        newest = max(there, default=None)
        same = here is not None and known is not None and known.is_of(here)
        if here is None:
            if newest is not None and not newest.deleted:
                self._fetch(kind, name, newest, None)
            elif known is not None:
                self._memory.forget(kind, name)
        elif newest is None:
            self._publish(kind, name, here, 1 if known is None else known.version.revision + 1, [])
        elif same and known is not None and known.version == newest:
            return
        elif same and known is not None and known.version < newest:
            if known.version.revision == newest.revision and not newest.deleted:
                # Two caches published this name at once, each as the first.
                self._put_aside(kind, name, newest, here)
            else:
                self._follow(kind, name, newest, here)
        elif newest.deleted and known is None:  # made anew since
            self._publish(kind, name, here, newest.revision + 1, there)
        elif not newest.deleted and self._digest(kind, here) == newest.digest:
            self._memory.keep(kind, name, newest, here)
        elif known is not None and known.version == newest:  # derived again here
            self._publish(kind, name, here, newest.revision + 1, there)
        else:
            self._put_aside(kind, name, newest, here)

    def _publish(
        self, kind: FileKind, name: str, here: FileIdentity, revision: int, there: list[Version]
    ) -> None:
        if self._settings.read_only:
            return
        if kind.most_bytes is not None and here.size > kind.most_bytes:
            raise too_large(f"{kind.name}/{name}", here.size, kind.most_bytes)
        with self._opened(kind, here.path) as source:
            version = Version(revision, _digest_of(source))
            source.seek(0)
            self._announce(kind, name, version, there, source)
        self._memory.keep(kind, name, version, here)
        self._done.published += 1

    def _announce(
        self, kind: FileKind, name: str, version: Version, there: list[Version], source: Bytes
    ) -> None:
        """Put a revision there, and then take away those that it follows."""
        self._place.put(kind.name, version.file(kind, name), source)
        past = [other.file(kind, name) for other in there if other < version]
        if past:
            self._place.remove(kind.name, past)

    def _follow(self, kind: FileKind, name: str, newest: Version, here: FileIdentity) -> None:
        """Take over what was done elsewhere to a file that nobody has changed here."""
        if not newest.deleted:
            self._fetch(kind, name, newest, here)
            return
        here.path.unlink(missing_ok=True)
        self._memory.forget(kind, name)
        self._done.removed += 1

    def _put_aside(self, kind: FileKind, name: str, newest: Version, here: FileIdentity) -> None:
        """Give a name to the file that had it first in the shared place; nothing is lost."""
        if self._settings.read_only:
            return
        if kind.name == "logs":  # of a job that was removed while its worker was still writing
            self._follow(kind, name, newest, here)
            return
        aside = self._settings.cache / "aside" / kind.name
        aside.mkdir(parents=True, exist_ok=True)
        moved = aside / f"{name}~{secrets.token_hex(4)}{kind.suffix}"
        here.path.rename(moved)
        logger.warning(
            "%s/%s is another file in the shared place; this cache's own is now %s",
            kind.name,
            name,
            moved,
        )
        self._done.aside += 1
        self._memory.forget(kind, name)
        if not newest.deleted:
            self._fetch(kind, name, newest, None)

    def _fetch(self, kind: FileKind, name: str, newest: Version, here: FileIdentity | None) -> None:
        """Fetch a revision and put it in its place.

        Args:
            kind: of the file.
            name: of the file.
            newest: what to fetch.
            here: the file whose place it takes, unless that has changed meanwhile.
        """
        target = self._path(kind, name)
        draft = self._settings.work / f"{_FETCHING}{uuid.uuid4().hex}{kind.suffix}"
        try:
            with writing(draft):
                if not self._copied(kind, newest.file(kind, name), draft):
                    return  # followed by another revision, or deleted, since it was listed
                with draft.open("rb") as fetched:
                    digest = _digest_of(fetched)
                if digest != newest.digest:
                    raise StoreError(
                        f"{kind.name}/{name} of the shared place is not what was published: its "
                        f"hash is {digest}, and its name says {newest.digest}.",
                        expected="a file that nobody has changed.",
                        remedy="publish it again from a cache that has it whole: delete the "
                        "damaged file in the shared place.",
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                if here is not None and FileIdentity.of(target) != here:
                    return  # changed here since it was looked at
                if publish(draft, target, replace=here is not None):
                    self._memory.keep(kind, name, newest, FileIdentity.of(target))
                    self._done.fetched += 1
        finally:
            discard(draft)
        if kind.name == "runs":
            # A worker here may have begun this run before it went on elsewhere.
            discard(self._settings.work / f"{name}.duckdb")

    def _copied(self, kind: FileKind, file: str, draft: Path) -> bool:
        """Copy a file of the shared place, unless it is too large. Returns whether it is there."""
        if kind.most_bytes is not None:
            return self._place.fetch(kind.name, file, draft, kind.most_bytes)
        free = shutil.disk_usage(draft.parent).free - _ROOM_BYTES
        try:
            return self._place.fetch(kind.name, file, draft, max(0, free))
        except SharedAway:
            raise
        except StoreError as fault:
            raise NoRoom(
                f"There is no room for {file} of the shared place: {fault.what}",
                expected=f"room for it, and {_ROOM_BYTES:,} bytes more.",
                remedy="make room in the cache, such as by deleting runs.",
            ) from fault

    def _digest(self, kind: FileKind, here: FileIdentity) -> str:
        with self._opened(kind, here.path) as source:
            return _digest_of(source)

    @contextmanager
    def _opened(self, kind: FileKind, path: Path) -> Iterator[Bytes]:
        """A file to read twice: published ones are replaced as wholes, and a log is as long as it
        is now."""
        if kind.suffix == ".log":
            yield io.BytesIO(path.read_bytes())
            return
        with path.open("rb") as handle:
            yield handle


@dataclass(frozen=True)
class _Known:
    """Which revision a file of this cache is.

    Attributes:
        version: the revision.
        size: bytes of the file that is this revision.
        mtime_ns: when it was written.
    """

    version: Version
    size: int
    mtime_ns: int

    def is_of(self, here: FileIdentity) -> bool:
        """Whether the file has not been changed since."""
        return (self.size, self.mtime_ns) == (here.size, here.mtime_ns)


class _Memory:
    """What this cache knows of the shared place."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.cache / NAME

    def place(self) -> tuple[str, str]:
        """Name and id of the place that was last exchanged with; empty before the first."""
        with self._open() as memory:
            rows = memory.execute("SELECT url, id FROM place").fetchall()
        return rows[0] if rows else ("", "")

    def join(self, url: str, found: str, *, afresh: bool) -> None:
        """Remember the place; with ``afresh``, nothing of what was known of another one."""
        with self._open() as memory:
            if afresh:
                memory.execute("DELETE FROM known")
            memory.execute("DELETE FROM place")
            memory.execute("INSERT INTO place VALUES (?, ?)", (url, found))

    def all(self, kind: FileKind) -> dict[str, _Known]:
        """Of all files of a kind, by name."""
        with self._open() as memory:
            rows = memory.execute(
                "SELECT name, revision, digest, size, mtime_ns FROM known WHERE kind = ?",
                (kind.name,),
            ).fetchall()
        return {
            name: _Known(Version(revision, digest), size, mtime_ns)
            for name, revision, digest, size, mtime_ns in rows
        }

    def keep(self, kind: FileKind, name: str, version: Version, here: FileIdentity) -> None:
        """Remember which revision a file is."""
        with self._open() as memory:
            memory.execute(
                "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?)",
                (kind.name, name, version.revision, version.digest, here.size, here.mtime_ns),
            )

    def forget(self, kind: FileKind, name: str) -> None:
        """Know nothing of a file any more."""
        with self._open() as memory:
            memory.execute("DELETE FROM known WHERE kind = ? AND name = ?", (kind.name, name))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS)) as memory, memory:
                for statement in _TABLES:
                    memory.execute(statement)
                yield memory
        except sqlite3.Error as fault:
            raise StoreError(
                f"{NAME} cannot be used: {fault}.",
                expected="what this cache knows of the shared place.",
                remedy="make room on the disk; if it is damaged, move the file away: it is made "
                "again, and nothing is lost.",
            ) from fault


def _digest_of(source: Bytes) -> str:
    """Of the bytes from where it stands to the end."""
    return hashlib.file_digest(source, "sha256").hexdigest()[:_DIGITS]

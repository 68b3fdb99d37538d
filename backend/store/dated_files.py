"""What users make, as one small JSON file each that is never changed, called after its time."""

from __future__ import annotations

import datetime
import json
import secrets
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from backend.errors import StoreError, UnreadableFile
from backend.names import DATED_NAME
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import by_age, publish
from backend.store.file_cache import FileCache
from backend.store.room import writing
from backend.store.shared import KINDS, share_deletion


class _Dated(Protocol):
    """What a file holds. Attributes: its name, and when it was made (UTC, ISO 8601)."""

    @property
    def name(self) -> str: ...

    @property
    def created_at(self) -> str: ...


T = TypeVar("T", bound=_Dated)


class DatedFiles(Generic[T]):
    """The files of one kind.

    Args:
        what: what one is called, such as ``note``.
        kind: of :data:`backend.store.shared.KINDS`, which says where they are and how large.
        keys: of the JSON object in a file.
        most: files that are kept, so that pages that list them at every click stay quick.
        read: makes the value of a file's name and its JSON; a ValueError, TypeError, LookupError or
            AttributeError says why it is none.
        command: that lists them.
    """

    def __init__(
        self,
        what: str,
        kind: str,
        keys: Collection[str],
        most: int,
        read: Callable[[str, Mapping[str, Any]], T],
        command: str,
    ) -> None:
        self._what, self._kind, self._keys, self._most = what, KINDS[kind], set(keys), most
        self._make, self._command = read, command
        # A file is read again only when it has changed.
        self._files = FileCache(most)

    def path(self, settings: Settings, name: str) -> Path:
        """Where the file of a name is, or would be. Args: where the store is; the name."""
        return settings.cache / self._kind.folder / f"{name}{self._kind.suffix}"

    def keep(self, settings: Settings, name: str, values: Mapping[str, Any]) -> bool:
        """Keep one.

        Args:
            settings: where the store is.
            name: from :func:`new_name`, or of that form.
            values: JSON values, without NaN.

        Returns:
            Whether it was kept; where the name is taken, what has it stays as it is.

        Raises:
            StoreError: there are too many.
            ReadOnly, NotAllowed: nothing may be written here, or not by who asks.
            NoRoom: the disk is full, or does not let it be written; nothing is left behind.
        """
        target = self.path(settings, name)
        if len(self._paths(settings)) >= self._most:
            raise StoreError(
                f"There are {self._most:,} {self._what}s already.",
                expected="fewer, so that pages stay quick.",
                remedy=f"delete those that are no longer needed, in {target.parent}.",
            )
        changing(settings, f"save {self._what}", name)
        settings.make_folders()
        work = settings.work / f"{self._kind.name}-{uuid.uuid4().hex}.json"
        try:
            with writing(work):
                work.write_text(json.dumps(values, ensure_ascii=False, allow_nan=False), "utf-8")
            return publish(work, target)
        finally:
            work.unlink(missing_ok=True)

    def all(self, settings: Settings) -> tuple[tuple[T, ...], dict[str, str]]:
        """Those that can be read, oldest first, and file name -> why another cannot.

        Args:
            settings: where the store is.
        """
        found: list[T] = []
        broken: dict[str, str] = {}
        for path in self._paths(settings):
            try:
                found.append(self._files.get(self._kind.name, [path], partial(self._read, path)))
            except UnreadableFile as fault:
                broken[path.name] = fault.what
            except FileNotFoundError:  # deleted since it was listed
                continue
        return tuple(sorted(found, key=lambda one: (one.created_at, one.name))), broken

    def delete(self, settings: Settings, name: str) -> None:
        """Remove one.

        Args:
            settings: where the store is.
            name: of one.

        Raises:
            StoreError: none is called so.
            ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
            SharedAway: it is in a shared place that cannot be asked.
        """
        path = self.path(settings, name)
        if not DATED_NAME.fullmatch(name) or not path.is_file():
            raise StoreError(
                f"No {self._what} is called {name[:60]!r}.",
                expected="the name of one, such as 20260131-120000-0a1b2c3d.",
                remedy=f"list them with: python -m backend {self._command}.",
            )
        changing(settings, f"delete {self._what}", name)
        share_deletion(settings, self._kind.name, name)
        # By then another process of this cache may have learned of it.
        path.unlink(missing_ok=True)

    def _paths(self, settings: Settings) -> tuple[Path, ...]:
        return by_age((settings.cache / self._kind.folder).glob(f"*{self._kind.suffix}"))

    def _read(self, path: Path) -> T:
        """One file.

        Raises:
            UnreadableFile: it is damaged, too large or of another kind.
            FileNotFoundError: it is gone.
        """
        most = self._kind.most_bytes
        assert most is not None  # of what is read whole
        with path.open("rb") as handle:
            content = handle.read(most + 1)
        try:
            if not DATED_NAME.fullmatch(path.stem):
                raise ValueError(f"its name is none of a {self._what}")
            if len(content) > most:
                raise ValueError(f"it has more than {most:,} bytes")
            values = _parsed(content)
            if not isinstance(values, dict) or set(values) != self._keys:
                raise ValueError(f"it needs the keys {', '.join(sorted(self._keys))}")
            return self._make(path.stem, values)
        except (ValueError, TypeError, LookupError, AttributeError) as fault:
            raise UnreadableFile(
                f"{path.name} cannot be read: {str(fault)[:120]}.",
                expected=f"a {self._what} as Steerscope saves it.",
                remedy="delete the file.",
            ) from fault


def new_name() -> tuple[str, str]:
    """A name for a new file, and its time."""
    moment = datetime.datetime.now(datetime.UTC)
    name = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    return name, moment.isoformat(timespec="microseconds")


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise ValueError("it is no JSON") from fault

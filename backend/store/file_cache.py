"""Results kept by the identity of the files they came from: bounded, and never stale."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class FileIdentity:
    """A file as it is now; a file that is replaced has another identity.

    Attributes:
        path: where it is.
        size: bytes; -1 where there is no file.
        mtime_ns: when it was written, nanoseconds.
    """

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        """The identity of a file, or of its absence."""
        try:
            found = path.stat()
        except OSError:  # none there, or it cannot be asked
            return cls(path, -1, 0)
        return cls(path, found.st_size, found.st_mtime_ns)


def identities(folder: Path, suffix: str) -> dict[str, FileIdentity]:
    """Stem -> identity of the files of a folder, oldest first, in one pass over it.

    Args:
        folder: where they are.
        suffix: what their names end on, such as ``.duckdb``; files that begin with a dot are left
            out.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(suffix) or entry.name.startswith("."):
                continue
            try:
                status = entry.stat()
            except OSError:  # deleted since it was listed, or a link to nothing
                continue
            path = folder / entry.name
            found.append(FileIdentity(path, status.st_size, status.st_mtime_ns))
    found.sort(key=lambda identity: (identity.mtime_ns, identity.path.name))
    return {identity.path.name.removesuffix(suffix): identity for identity in found}


class FileCache:
    """The results used last. Values are shared by all who ask: nobody may change them.

    Args:
        most: how many results are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, files: Iterable[Path], make: Callable[[], T]) -> T:
        """The result of a key and the files it is made from; made if it is not there.

        Two threads that ask for the same at once may both make it; what ``make`` raises is raised
        and not kept.

        Args:
            key: what is made, with every choice it depends on.
            files: what it is made from.
            make: makes it.
        """
        return self.get_as_of(key, [FileIdentity.of(path) for path in files], make)

    def get_as_of(self, key: Hashable, files: Iterable[FileIdentity], make: Callable[[], T]) -> T:
        """As :meth:`get`, for files whose identity is known.

        Args:
            key: what is made, with every choice it depends on.
            files: what it is made from, as they were before ``make`` reads them.
            make: makes it.
        """
        full = (key, tuple(files))
        with self._lock:
            if full in self._kept:
                self._kept.move_to_end(full)
                found: T = self._kept[full]
                return found
        made = make()
        with self._lock:
            self._kept[full] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

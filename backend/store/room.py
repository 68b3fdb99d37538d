"""A disk that is full, or that may not be written to, told as such."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from backend.errors import NoRoom

_REASONS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes a file of the store.

    Args:
        path: the file.

    Raises:
        NoRoom: the disk is full, or does not let it be written.
    """
    try:
        yield
    except (duckdb.Error, OSError) as fault:
        # A rollback may fail after what failed first.
        why = _reason(fault) or (fault.__context__ and _reason(fault.__context__))
        if not why:
            raise
        raise NoRoom(
            f"{path.name} cannot be written in {path.parent}: {why}.",
            expected="a disk that can be written to, with room for the file.",
            remedy="make room, such as by deleting runs (python -m backend prune), or mend the "
            "folder's rights. What was committed before stays.",
        ) from fault


def _reason(fault: BaseException) -> str | None:
    if isinstance(fault, OSError):
        return os.strerror(fault.errno) if fault.errno in _REASONS else None
    # DuckDB passes on what the system says, in a sentence.
    return next((os.strerror(n) for n in _REASONS if os.strerror(n) in str(fault)), None)

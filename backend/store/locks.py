"""Locks on files of a store, by which its processes know of each other."""

from __future__ import annotations

import fcntl
from contextlib import closing
from pathlib import Path
from typing import IO

from backend.errors import JobError
from backend.settings import Settings


def try_lock(path: Path) -> IO[str] | None:
    """The file, open and locked until it is closed; None while another holds it.

    Args:
        path: made if it is not there.

    Raises:
        JobError: its file system cannot lock.
    """
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    except OSError as fault:
        handle.close()
        raise _no_locks(path.parent, fault.strerror or str(fault)) from fault
    return handle


def require_locks(settings: Settings) -> None:
    """Refuse a jobs folder where a lock keeps nobody out, as on some network drives. Without locks
    two workers would take each other for dead and do the same job.

    Args:
        settings: where the jobs folder is, which exists.

    Raises:
        JobError: its file system cannot lock, or says that it can and does not.
    """
    path = settings.jobs / "probe.lock"
    first = try_lock(path)
    if first is None:  # another process asks at this moment, so locks work
        return
    with closing(first):
        second = try_lock(path)
        if second is not None:
            second.close()
            raise _no_locks(settings.jobs, "two at once were given the same lock")


def _no_locks(folder: Path, why: str) -> JobError:
    return JobError(
        f"The file system of {folder} cannot lock files: {why}.",
        expected="a local disk, or a network drive with locks (NFS 4, SMB).",
        remedy="set STEERSCOPE_CACHE to a folder on a local disk.",
    )

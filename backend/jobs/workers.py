"""Which workers are alive: a lock and a heartbeat file each, in the jobs folder."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass

from backend.errors import JobError
from backend.settings import Settings
from backend.store.locks import try_lock

SLOTS = 16
STALE_SECONDS = 10.0


@dataclass(frozen=True)
class WorkerBeat:
    """A worker's last sign of life.

    Attributes:
        name: its executor id, such as ``worker-1``.
        pid: its process id, on the machine it runs on.
    """

    name: str
    pid: int


class WorkerSlot:
    """A name that only one live process holds; a restarted worker takes the same one again,
    which is how the queue knows the jobs it left behind.

    Args:
        settings: where the jobs folder is.

    Raises:
        JobError: all slots are taken.
    """

    def __init__(self, settings: Settings) -> None:
        settings.make_folders()
        self._folder = settings.jobs
        for number in range(1, SLOTS + 1):
            lock = try_lock(self._folder / f"worker-{number}.lock")
            if lock is not None:
                self.name = f"worker-{number}"
                self._lock = lock
                self.beat()
                return
        raise JobError(
            f"All {SLOTS} worker slots of {self._folder} are taken.",
            expected=f"at most {SLOTS} workers on one cache folder.",
            remedy="stop a worker first.",
        )

    def beat(self) -> None:
        """Leave a sign of life."""
        beat = {"pid": os.getpid()}
        path = self._folder / f"{self.name}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(beat))
        draft.replace(path)

    def dead_names(self) -> tuple[str, ...]:
        """Names of slots that were used once and that no process holds now."""
        dead = []
        for path in sorted(self._folder.glob("worker-*.lock")):
            if path.stem == self.name:
                continue
            lock = try_lock(path)
            if lock is not None:
                lock.close()
                dead.append(path.stem)
        return tuple(dead)

    def release(self) -> None:
        """Give the name back and remove the heartbeat."""
        (self._folder / f"{self.name}.json").unlink(missing_ok=True)
        self._lock.close()


def live_workers(settings: Settings) -> tuple[WorkerBeat, ...]:
    """Workers whose last sign of life is fresh."""
    beats = []
    now = time.time()
    for path in sorted(settings.jobs.glob("worker-*.json")):
        try:
            age = now - path.stat().st_mtime
            pid = json.loads(path.read_text())["pid"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue  # the worker stopped between listing and reading, or the file is damaged
        # A sign from the future, left by a clock that was wrong, would never grow stale.
        if abs(age) <= STALE_SECONDS and type(pid) is int and pid > 0:
            beats.append(WorkerBeat(path.stem, pid))
    return tuple(beats)

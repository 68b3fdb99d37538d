"""The worker's side of the jobs that are no extractions."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from dbos import DBOS

from backend.errors import JobError
from backend.jobs.job_log import stage_text
from backend.jobs.kind import JobKind, Tell
from backend.jobs.kinds import KINDS
from backend.jobs.leaving import PAUSED_TEXT, STOPPED_TEXT, Left, end_told
from backend.jobs.logs import add_to_log
from backend.jobs.patience import patiently
from backend.jobs.system import PIECES, PROGRESS, TASK
from backend.settings import Settings
from backend.types import Progress

# How often a task asks whether it is cancelled, and publishes its progress, seconds.
ASK_SECONDS = 0.1
PROGRESS_SECONDS = 0.2
# A task that takes its worker down this many times is given up.
MAX_RECOVERIES = 3


class _Telling:
    """What a task says goes into the queue; see :class:`backend.jobs.kind.Tell`."""

    def __init__(
        self,
        settings: Settings,
        task_id: str,
        stopping: Callable[[], bool],
        cancelled: Callable[[str], bool],
    ) -> None:
        self._settings, self.task_id = settings, task_id
        self._stopping, self._cancelled = stopping, cancelled
        self._asked_at = self._published_at = 0.0
        self._stage = ""

    def progress(self, progress: Progress) -> None:
        """Publish how far it is: every change of stage, and of the rest what an eye can follow."""
        self.check()
        stage, now = stage_text(progress), time.monotonic()
        if stage == self._stage and now - self._published_at < PROGRESS_SECONDS:
            return
        if stage != self._stage:
            add_to_log(self._settings, self.task_id, stage)
        self._stage, self._published_at = stage, now
        DBOS.set_event(PROGRESS, dataclasses.asdict(progress))

    def piece(self, value: Any) -> None:
        """Publish a part of what it makes."""
        self.check()
        DBOS.write_stream(PIECES, value)

    def check(self, *, now: bool = False) -> None:
        """Go on, or leave. Raises: Left: cancelled, or this worker is to end."""
        if self._stopping():
            raise Left(PAUSED_TEXT)
        moment = time.monotonic()
        if now or moment - self._asked_at >= ASK_SECONDS:
            self._asked_at = moment
            if self._cancelled(self.task_id):
                raise Left(STOPPED_TEXT)


def register_tasks(
    settings: Settings, stopping: Callable[[], bool], cancelled: Callable[[str], bool]
) -> None:
    """Register the workflow of tasks with DBOS. Call before launch.

    Args:
        settings: where the store is.
        stopping: whether this worker is to end.
        cancelled: whether a job is not this worker's to do any more, by its id.
    """

    @DBOS.step(name="work")
    def work(task_id: str, kind: str, values: dict[str, Any]) -> Any:
        return do_task(settings, kind, values, _Telling(settings, task_id, stopping, cancelled))

    @DBOS.workflow(name=TASK, max_recovery_attempts=MAX_RECOVERIES)
    def task(kind: str, values: dict[str, Any]) -> Any:
        task_id = str(DBOS.workflow_id)
        add_to_log(settings, task_id, "a worker takes up the task")
        log = partial(add_to_log, settings, task_id)
        with end_told("task", "see its log.", log, stopping):
            result = work(task_id, kind, values)
            log("done")
            return result


def do_task(settings: Settings, kind: str, values: dict[str, Any], tell: Tell) -> Any:
    """Do a task; while the shared place is away or the disk full, wait and begin again.

    Args:
        settings: of the cache.
        kind: of :data:`backend.jobs.kinds.KINDS`.
        values: what is asked.
        tell: told what it makes.

    Returns:
        Its result.

    Raises:
        JobError: the kind is not known here.
        SteerscopeError: what the kind cannot do.
    """
    known = _known(kind)

    def begin() -> Any:
        tell.piece(None)  # what an earlier begin has told is void
        known.bring(settings, values)
        return known.work(settings, values, tell)

    log = partial(add_to_log, settings, tell.task_id)
    return patiently(begin, tell.check, tell.progress, log)


def _known(kind: str) -> JobKind:
    if kind not in KINDS:
        raise JobError(
            f"This worker knows no task of the kind {kind!r}.",
            expected=f"one of: {', '.join(KINDS) or 'none'}.",
            remedy="use the same version of Steerscope for dashboard and worker.",
        )
    return KINDS[kind]

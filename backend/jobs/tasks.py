"""Start, follow and cancel the jobs that are no extractions, from any process."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbos import DBOSClient, WorkflowStatus
from dbos import error as dbos_error

from backend.errors import JobError
from backend.jobs.kind import Values
from backend.jobs.kinds import KINDS
from backend.jobs.logs import remove_log
from backend.jobs.rows import ACTIVE, STATES, State, error_of, published_progress
from backend.jobs.system import APPLICATION_VERSION, PIECES, TASK
from backend.names import may_name_file
from backend.settings import Settings
from backend.store.changes import changing
from backend.types import Progress

# Ended tasks of one kind that are kept; older ones go when one of the kind is started.
KEPT = 100
ENDED = [row for row in STATES if row not in ACTIVE]


@dataclass(frozen=True)
class Task:
    """A job that is no extraction.

    Attributes:
        task_id: its name.
        kind: of :data:`backend.jobs.kinds.KINDS`.
        state: queued, running, finished, failed or cancelled.
        values: what was asked.
        created_at: milliseconds since 1970.
        updated_at: milliseconds since 1970.
        error: why it failed; None unless it did, or where it was not read.
        result: what came of it; None unless it has finished, or where it was not read.
    """

    task_id: str
    kind: str
    state: State
    values: Values
    created_at: int
    updated_at: int
    error: str | None
    result: Any

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ("queued", "running")


class Tasks:
    """The tasks of a queue, as a client sees them; :attr:`backend.jobs.queue.JobQueue.tasks`.

    Args:
        settings: where the store is, and who asks.
        client: of the queue.
    """

    def __init__(self, settings: Settings, client: DBOSClient) -> None:
        self._settings = settings
        self._client = client

    def start(self, kind: str, values: Mapping[str, Any]) -> str:
        """Queue a task; the same one that is queued or running is not queued again, as a double
        click would have it.

        Args:
            kind: of :data:`backend.jobs.kinds.KINDS`.
            values: what is asked, as plain JSON.

        Returns:
            Its id, or that of the same one.

        Raises:
            SteerscopeError: the kind refuses the values.
            ReadOnly, NotAllowed: nothing may be started here, or not by who asks.
        """
        known = KINDS[kind]
        known.check(self._settings, values)
        same = (one.task_id for one in self.all(kind, active=True) if one.values == dict(values))
        if (there := next(same, None)) is not None:
            return there
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        task_id = f"{kind}-{moment}-{secrets.token_hex(4)}"
        changing(self._settings, f"start {kind}", task_id)
        kept = self._client.list_workflows(
            name=TASK,
            workflow_id_prefix=f"{kind}-",
            status=ENDED,
            sort_desc=True,
            load_input=False,
            load_output=False,
        )
        for old in kept[KEPT:]:
            self._forget(old.workflow_id)
        self._client.enqueue(
            {
                "workflow_name": TASK,
                "queue_name": known.lane,
                "workflow_id": task_id,
                "app_version": APPLICATION_VERSION,
            },
            kind,
            dict(values),
        )
        return task_id

    def all(
        self, *kinds: str, active: bool | None = None, most: int | None = None
    ) -> tuple[Task, ...]:
        """Some tasks, newest first, without their results and without why they failed: of those,
        :meth:`task` tells. Nothing is read of any other.

        Args:
            kinds: which; none for all.
            active: only those that are queued or running (True), or that have ended (False).
            most: of them.
        """
        found = self._client.list_workflows(
            name=TASK,
            workflow_id_prefix=[f"{kind}-" for kind in kinds] or None,
            status={None: None, True: ACTIVE, False: ENDED}[active],
            limit=most,
            sort_desc=True,
            load_output=False,
        )
        tasks = (_task(status) for status in found)
        return tuple(task for task in tasks if task is not None)

    def is_active(self, task_id: str) -> bool:
        """Whether a task is queued or running; nothing of what was asked is read.

        Raises:
            JobError: there is none of that name.
        """
        found = self._client.list_workflows(
            workflow_ids=[task_id], name=TASK, load_input=False, load_output=False
        )
        if not found:
            raise _no_task(task_id)
        return found[0].status in ACTIVE

    def task(self, task_id: str) -> Task:
        """One task, with its result.

        Raises:
            JobError: there is none of that name.
        """
        found = self._client.list_workflows(workflow_ids=[task_id])
        task = _task(found[0]) if found else None
        if task is None:
            raise _no_task(task_id)
        return task

    def progress(self, task_id: str) -> Progress | None:
        """The newest progress of a task; None before the first, and for what is none."""
        return published_progress(self._client, task_id)

    def pieces(self, task_id: str, since: int = 0) -> tuple[int, tuple[Any, ...]]:
        """What a task has told so far; waits for nothing.

        Args:
            task_id: the task.
            since: pieces that are known already, as the first number of the call before.

        Returns:
            How many are known now, and the new ones in their order. A piece that is None says that
            the task was begun again, and that those before it are void.

        Raises:
            JobError: there is no such task.
        """
        new: list[Any] = []
        try:
            for value in self._client.read_stream(
                task_id, PIECES, offset=since, timeout_seconds=0, polling_interval_sec=0.001
            ):
                new.append(value)
        except dbos_error.DBOSStreamTimeoutError:
            pass  # there are no more yet
        return since + len(new), tuple(new)

    def cancel(self, task_id: str) -> None:
        """Cancel a task.

        Raises:
            JobError: it is not queued or running.
        """
        if not self.is_active(task_id):
            raise JobError(
                f"Task {task_id} has ended and cannot be cancelled.",
                expected="a task that is queued or running.",
                remedy="reload the page to see its present state.",
            )
        changing(self._settings, "cancel task", task_id)
        self._client.cancel_workflow(task_id)

    def remove(self, task_id: str) -> None:
        """Delete an ended task with its result and log.

        Raises:
            JobError: it is queued or running.
        """
        if self.is_active(task_id):
            raise JobError(
                f"Task {task_id} is at work and cannot be removed.",
                expected="a task that has ended.",
                remedy="cancel it first.",
            )
        changing(self._settings, "remove task", task_id)
        self._forget(task_id)

    def _forget(self, task_id: str) -> None:
        self._client.delete_workflow(task_id)
        remove_log(self._settings, task_id)


def _no_task(task_id: str) -> JobError:
    return JobError(
        f"No task is called {task_id!r}.",
        expected="a task in the queue's history.",
        remedy="start it again.",
    )


def _task(status: WorkflowStatus) -> Task | None:
    """A task from its row; None where it is none."""
    given: Any = status.input
    args: list[Any] = given["args"] if isinstance(given, dict) else []
    if (
        status.name != TASK
        or status.status not in STATES
        or not may_name_file(status.workflow_id)
        or len(args) != 2
        or args[0] not in KINDS
        or not isinstance(args[1], dict)
    ):
        return None
    return Task(
        task_id=status.workflow_id,
        kind=args[0],
        state=STATES[status.status],
        values=args[1],
        created_at=status.created_at or 0,
        updated_at=status.updated_at or 0,
        error=error_of(status),
        result=status.output,
    )

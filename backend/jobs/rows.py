"""What may stand in the queue's tables: plain JSON, and nothing that runs when it is read.

DBOS reads a row as the row itself says, whatever it was told to write: one that says
``py_pickle`` would be unpickled, which runs code of whoever wrote the file. So unpickling is taken
away from DBOS in every process that opens a queue, and such rows are told of before they are read.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Literal, NoReturn

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, WorkflowStatus
from dbos import _serialization as dbos_serialization

from backend.errors import JobError
from backend.jobs.system import PROGRESS, WORKFLOW
from backend.jobs.workers import queue_engine
from backend.names import may_name_file
from backend.runs.requests import request_from_json
from backend.settings import Settings
from backend.types import ExtractionRequest, Progress

logger = logging.getLogger("steerscope.queue")
State = Literal["queued", "running", "finished", "failed", "cancelled"]
STATES: dict[str, State] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "finished",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
# Of what is queued or running.
ACTIVE = [row for row, state in STATES.items() if state in ("queued", "running")]
PORTABLE = DBOSPortableJSONSerializer().name()
_COLUMN = "serialization"


def disarm() -> None:
    """Take unpickling away from DBOS in this process. Call before a queue is opened."""
    setattr(dbos_serialization.DefaultSerializer, "deserialize", _refuse)  # noqa: B010


def _refuse(*_: object) -> NoReturn:
    raise JobError(
        "A row of the queue is not plain JSON, and reading it would run code.",
        expected="a queue that only Steerscope has written.",
        remedy=_REMEDY,
    )


_REMEDY = (
    "stop Steerscope and move the queue's file, jobs/queue.sqlite in the cache, away (or give "
    "STEERSCOPE_QUEUE_URL an empty database): studies, runs and vectors stay, and a new queue is "
    "made at the next start."
)


class QueueTables:
    """The queue's tables, asked for what must not be read.

    Args:
        settings: where the queue is; its tables exist.
    """

    def __init__(self, settings: Settings) -> None:
        disarm()
        self._engine = queue_engine(settings)
        known = sa.inspect(self._engine)
        schema = "dbos" if "dbos" in known.get_schema_names() else None
        described = sa.MetaData()
        described.reflect(self._engine, schema=schema)
        self._tables = [
            table
            for table in described.sorted_tables
            if _COLUMN in table.columns.keys()  # noqa: SIM118
        ]
        self._jobs = next(t for t in self._tables if t.name == "workflow_status")

    def refused(self) -> JobError | None:
        """Why this queue must not be worked on; None if all its rows are plain JSON.

        Raises:
            JobError: it cannot be read now, as another process has locked it or its server is away.
        """
        try:
            return self._refused()
        except sa.exc.OperationalError as fault:
            raise JobError(
                f"The job queue cannot be read now: {fault.orig}.",
                expected="a queue that no other program holds.",
                remedy="wait a moment and reload; jobs go on by themselves. If it stays, find what "
                "holds jobs/queue.sqlite in the cache, such as a copy or a viewer.",
            ) from fault

    def _refused(self) -> JobError | None:
        with self._engine.connect() as connection:
            for table in self._tables:
                column = table.columns[_COLUMN]
                found = connection.execute(sa.select(column).where(column != PORTABLE).limit(1))
                row = found.first()
                if row is not None:
                    return JobError(
                        f"The queue holds a row in the format {str(row[0])[:40]!r} (table "
                        f"{table.name}), and reading it could run code.",
                        expected="a queue that only Steerscope has written, as plain JSON.",
                        remedy=_REMEDY,
                    )
        return None

    def move(self, job_id: str, source: str, target: str) -> bool:
        """Move a queued job into another lane, unless somebody was faster.

        Args:
            job_id: the job.
            source: the lane in which it waits.
            target: the other lane.

        Returns:
            Whether it was moved.
        """
        row = self._jobs.c
        waits = (row.workflow_uuid == job_id, row.status == "ENQUEUED", row.queue_name == source)
        with self._engine.begin() as connection:
            moved = connection.execute(self._jobs.update().where(*waits).values(queue_name=target))
            return moved.rowcount == 1

    def close(self) -> None:
        """Release the connection."""
        self._engine.dispose()


def request_of(status: WorkflowStatus) -> ExtractionRequest | None:
    """What a row of the queue asks for; None, with a warning in the log, where it is no job of
    Steerscope's.

    Args:
        status: as DBOS lists it: what could not be read is a text there.
    """
    given: Any = status.input
    if (
        status.name == WORKFLOW
        and may_name_file(status.workflow_id)
        and isinstance(given, dict)
        and len(given["args"]) == 1
        and isinstance(given["args"][0], dict)
    ):
        try:
            return request_from_json(given["args"][0])
        except (TypeError, ValueError, LookupError) as fault:
            logger.warning("a row of the queue asks for nothing that can be done: %s", fault)
            return None
    logger.warning("a row of the queue is no job: %r", str(status.workflow_id)[:80])
    return None


def named_in(values: Any, name: str) -> str:
    """The first text of this name in the values of a job, however deep; empty where there is none.
    What is behind an endpoint is left out: its model is none of this machine's.

    Args:
        values: JSON values, or as DBOS lists them, whose arguments are a tuple.
        name: such as ``model``.
    """
    if isinstance(values, dict):
        if values.get("endpoint"):
            return ""
        if isinstance(found := values.get(name), str) and found:
            return found
        values = list(values.values())
    if not isinstance(values, list | tuple):
        return ""
    return next((found for value in values if (found := named_in(value, name))), "")


def published_progress(client: DBOSClient, job: str) -> Progress | None:
    """The newest progress that the worker of a job published; None before the first, and for what
    is none.

    Args:
        client: of the queue.
        job: its name.
    """
    try:
        values = client.get_event(job, PROGRESS, timeout_seconds=0)
    except JobError:  # not plain JSON: told by QueueTables.refused
        return None
    return None if values is None else progress_of(values)


def progress_of(values: Any) -> Progress | None:
    """A worker's progress from its row; None where it is none.

    Args:
        values: JSON values.
    """
    known = {field.name for field in dataclasses.fields(Progress)}
    if not isinstance(values, dict) or not values.keys() <= known or "stage" not in values:
        return None
    numbers = [value for name, value in values.items() if name != "stage" and value is not None]
    if not isinstance(values["stage"], str) or any(
        type(number) not in (int, float) for number in numbers
    ):
        return None
    return Progress(**values)


def error_of(status: WorkflowStatus) -> str | None:
    """Why a job failed; None unless it did.

    Args:
        status: as DBOS lists it.
    """
    if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "The worker died again and again while running this job; see its log."
    return str(status.error) if status.error is not None else None

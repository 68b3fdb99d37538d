"""Which worker takes which job, where several machines work on one queue.

The queue's library hands a job to any worker. A job whose model is a folder of one machine is of no
use to the others, so on such a queue the lanes are only waited in: each worker that is idle moves
the first job it can do into a lane of its own, to which it alone listens. A move happens for one
worker only, as the database compares and changes the row at once. What stands in the lane of a
worker that is gone is moved back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dbos import WorkflowStatus

from backend.errors import StoreError
from backend.jobs.rows import named_in
from backend.jobs.system import LANES, OWN, QUEUE
from backend.models.model_reference import path_elsewhere
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.run_record import IMPORTED, SIMULATED

logger = logging.getLogger("steerscope.worker")
# How often an idle worker looks for a job, seconds.
LOOK_SECONDS = 0.25


def own_lanes(worker: str) -> tuple[str, ...]:
    """The lanes that one worker listens to. Args: the worker's name."""
    return tuple(f"{lane}{OWN}{worker}" for lane in (QUEUE, *LANES))


def next_job(waiting: list[WorkflowStatus], lane: str, settings: Settings) -> WorkflowStatus | None:
    """The job that a worker takes next: of those it can do, as the queue would.

    Args:
        waiting: all queued jobs.
        lane: in which the worker is idle.
        settings: of the worker's machine.
    """
    fit = [
        status
        for status in waiting
        if status.queue_name == lane and not path_elsewhere(_model_of(status, settings), settings)
    ]
    return min(
        fit, key=lambda job: (job.priority or 0, job.created_at or 0, job.workflow_id), default=None
    )


def _model_of(status: WorkflowStatus, settings: Settings) -> str:
    """The model that a job asks for by itself or by the run it names; empty where neither says.
    What only derives needs no model."""
    if named_in(status.input, "derives"):
        return ""
    model, run_id = named_in(status.input, "model"), named_in(status.input, "run_id")
    if model or not run_id:
        return model
    try:
        record = run_summary(settings, run_id).record
    except StoreError:  # not here yet, or damaged: the job's own checks say so
        return ""
    return "" if record.model_source in (SIMULATED, IMPORTED) else record.model


class Dispatcher(threading.Thread):
    """Takes jobs for one worker until it is to end.

    Args:
        settings: of its machine.
        worker: its name.
        stop: whether it is to end.
        queued: lists what waits or runs in some lanes.
        move: moves a queued job from a lane to another; whether it did.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        stop: threading.Event,
        queued: Callable[[list[str]], list[WorkflowStatus]],
        move: Callable[[str, str, str], bool],
    ) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._settings = settings
        self._worker = worker
        self._stop_event = stop
        self._queued, self._move = queued, move

    def run(self) -> None:
        """Look for jobs again and again."""
        told = ""
        while not self._stop_event.wait(LOOK_SECONDS):
            try:
                self.look()
                told = ""
            # Whatever it is: a worker whose dispatcher has ended would take nothing more.
            except Exception as fault:
                if str(fault) != told:
                    told = str(fault)
                    logger.exception("no job can be taken now")

    def look(self) -> None:
        """Take one job in each lane in which the worker has none."""
        own = dict(zip((QUEUE, *LANES), own_lanes(self._worker), strict=True))
        found = self._queued([*own, *own.values()])
        busy = {status.queue_name for status in found}
        for lane, target in own.items():
            if target not in busy:
                job = next_job(found, lane, self._settings)
                if job is not None:
                    self._move(job.workflow_id, lane, target)

"""A worker process: takes extractions from the queue and runs them in small repeatable steps."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSPortableJSONSerializer
from dbos import error as dbos_error

from backend.jobs.bundled import enqueue_bundled
from backend.jobs.job_log import JobLog, fault_text, stage_text
from backend.jobs.logs import add_to_log
from backend.jobs.queue import JobQueue
from backend.jobs.system import APPLICATION_VERSION, PROGRESS, QUEUE, WORKFLOW, migrate
from backend.jobs.workers import WorkerSlot
from backend.runs.quick_checks import check_request
from backend.runs.requests import request_from_json
from backend.settings import Settings
from backend.types import Progress

if TYPE_CHECKING:
    from backend.runs.steps import Session

logger = logging.getLogger("steerscope.worker")

# A cancel takes effect between steps, so a step is short: it ends after the batch during which
# this many seconds have passed.
STEP_SECONDS = 0.5
BEAT_SECONDS = 2.0
PROGRESS_SECONDS = 0.2
# A job that takes its worker down this many times is given up.
MAX_RECOVERIES = 20

# A cancel shows between steps as the first, and within one as the second: the job is not ours now.
STOPPED = (dbos_error.DBOSWorkflowCancelledError, dbos_error.DBOSWorkflowConflictIDError)
STOPPED_TEXT = "cancelled, or taken over by another worker; the batches so far are kept"


class Extractor:
    """The steps of the extraction workflow, with the session they share in this process.

    A step finds the session of its run or makes a new one that continues the work file, so a
    workflow recovered in a new process needs nothing from the old one.

    Args:
        settings: where the store is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: tuple[str, Session] | None = None
        self._published_at = 0.0
        self._stage = ""
        self._logged = ""

    @property
    def run_id(self) -> str | None:
        """The run at work in this process; None between jobs."""
        return None if self._session is None else self._session[0]

    def log(self, run_id: str, text: str) -> None:
        """Add to the job's log."""
        add_to_log(self._settings, run_id, text)

    def extract_some(self, run_id: str, request: dict[str, Any]) -> bool:
        """Step: some batches. Returns whether batches remain."""
        return self._of(run_id, request).extract_some(STEP_SECONDS)

    def derive_some(self, run_id: str, request: dict[str, Any]) -> bool:
        """Step: one layer of derived tables. Returns whether layers remain."""
        return self._of(run_id, request).derive_some()

    def publish(self, run_id: str, request: dict[str, Any]) -> str:
        """Step: publish. Returns the name of the file."""
        return self._of(run_id, request).publish().name

    def release(self) -> None:
        """Close the session; committed batches stay."""
        if self._session is not None:
            self._session[1].close()
            self._session = None

    def _of(self, run_id: str, request: dict[str, Any]) -> Session:
        if self._session is None or self._session[0] != run_id:
            self.release()
            self.log(run_id, "a worker takes up the job")
            self._logged = ""
            wanted = request_from_json(request)
            check_request(self._settings, wanted)
            # Imported here: a worker is ready, and refuses what cannot be, before torch is there.
            from backend.runs.session import session_of

            made = session_of(self._settings, run_id, wanted, partial(self._report, run_id))
            self._session = (run_id, made)
        return self._session[1]

    def _report(self, run_id: str, progress: Progress) -> None:
        stage = stage_text(progress)
        if stage != self._logged:
            self._logged = stage
            self.log(run_id, stage)
        # Every change of stage is published, and of the rest what an eye can follow.
        now = time.monotonic()
        if progress.stage == self._stage and now - self._published_at < PROGRESS_SECONDS:
            return
        self._stage, self._published_at = progress.stage, now
        DBOS.set_event(PROGRESS, dataclasses.asdict(progress))


def register(extractor: Extractor) -> None:
    """Register the extraction workflow and its steps with DBOS. Call before launch."""

    @DBOS.step(name="extract_some")
    def extract_some(run_id: str, request: dict[str, Any]) -> bool:
        return extractor.extract_some(run_id, request)

    @DBOS.step(name="derive_some")
    def derive_some(run_id: str, request: dict[str, Any]) -> bool:
        return extractor.derive_some(run_id, request)

    @DBOS.step(name="publish")
    def publish(run_id: str, request: dict[str, Any]) -> str:
        return extractor.publish(run_id, request)

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_RECOVERIES)
    def extract(request: dict[str, Any]) -> str:
        run_id = str(DBOS.workflow_id)
        try:
            while extract_some(run_id, request):
                pass
            while derive_some(run_id, request):
                pass
            name = publish(run_id, request)
            extractor.log(run_id, f"published {name}")
            return name
        except STOPPED:
            extractor.log(run_id, STOPPED_TEXT)
            raise
        except Exception as fault:
            extractor.log(run_id, fault_text(fault))
            raise
        finally:
            extractor.release()


def serve(settings: Settings, *, with_sample: bool) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        settings: where the store and the queue are.
        with_sample: import the bundled studies and enqueue their runs if neither has happened in
            this cache yet.

    Raises:
        JobError: no worker slot is free.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    migrate(settings)
    slot = WorkerSlot(settings)
    extractor = Extractor(settings)
    DBOS(
        config={
            "name": "steerscope",
            "system_database_url": settings.jobs_url,
            "application_version": APPLICATION_VERSION,
            "executor_id": slot.name,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
        }
    )
    register(extractor)
    job_log = JobLog(settings, lambda: extractor.run_id)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.2)
    queue = JobQueue(settings)
    logger.info("%s is ready, cache %s", slot.name, settings.cache)
    if with_sample:
        enqueue_bundled(settings, queue)
    while not stop.wait(BEAT_SECONDS):
        slot.beat()
        for run_id in queue.release(slot.dead_names()):
            logger.info("took over %s from a dead worker", run_id)
    logger.info("%s stops; a running job goes on when a worker starts again", slot.name)
    queue.close()
    DBOS.destroy()
    job_log.close()
    slot.release()

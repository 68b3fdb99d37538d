"""A worker process: takes extractions from the queue and runs them in small repeatable steps."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dbos import DBOS, DBOSPortableJSONSerializer

from backend.errors import JobError, ReadOnly
from backend.jobs.bundled import enqueue_bundled
from backend.jobs.dispatch import Dispatcher, own_lanes
from backend.jobs.exchanging import Exchanging
from backend.jobs.job_log import JobLog, stage_text
from backend.jobs.leaving import PAUSED_TEXT, STOPPED_TEXT, Left, end_told
from backend.jobs.logs import add_to_log
from backend.jobs.patience import patiently
from backend.jobs.queue import JobQueue, leave_nothing
from backend.jobs.rows import QueueTables
from backend.jobs.stopping import stopped_by_signals
from backend.jobs.system import (
    APPLICATION_VERSION,
    CONVERSATIONS,
    LANES,
    PROGRESS,
    QUEUE,
    WORKFLOW,
    migrate,
)
from backend.jobs.task_worker import register_tasks
from backend.jobs.workers import WorkerSlot
from backend.names import may_name_file
from backend.runs.quick_checks import check_request
from backend.runs.requests import request_from_json
from backend.settings import Settings
from backend.store.shared import share
from backend.types import ExtractionRequest, Progress

if TYPE_CHECKING:
    from backend.runs.steps import Session

logger = logging.getLogger("steerscope.worker")
T = TypeVar("T")

# A cancel takes effect between steps, so a step is short: it ends after the batch during which
# this many seconds have passed.
STEP_SECONDS = 0.5
BEAT_SECONDS = 2.0
# How often a worker looks for jobs: somebody waits for an answer in a conversation, and each look
# takes a few milliseconds of an idle machine.
POLL_SECONDS, PATIENT_SECONDS = 0.2, 0.6
# A worker that is to end waits so long for its job to come to the end of a step.
STOP_SECONDS = 5
PROGRESS_SECONDS = 0.2
# A job that takes its worker down this many times is given up.
MAX_RECOVERIES = 20

# How often a job at work asks whether it is cancelled, seconds.
ASK_SECONDS = 1.0


class Extractor:
    """The steps of the extraction workflow, with the session they share in this process.

    A step finds the session of its run or makes a new one that continues the work file, so a
    workflow recovered in a new process needs nothing from the old one.

    Args:
        settings: where the store is.
        worker: name of this worker.
        stopping: whether this worker is to end.
        cancelled: whether a job is not this worker's to do any more, by its id.
        removed: whether a job has been removed from the history, by its id.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        stopping: Callable[[], bool],
        cancelled: Callable[[str], bool],
        removed: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._stopping = stopping
        self._cancelled = cancelled
        self._removed = removed
        self._asked_at = 0.0
        self._alone = threading.Lock()
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
        return self._patiently(run_id, lambda: self._of(run_id, request).extract_some(STEP_SECONDS))

    def derive_some(self, run_id: str, request: dict[str, Any]) -> bool:
        """Step: one layer of derived tables. Returns whether layers remain."""
        return self._patiently(run_id, lambda: self._derive_some(run_id, request))

    def _derive_some(self, run_id: str, request: dict[str, Any]) -> bool:
        session = self._of(run_id, request)
        # A job that went on elsewhere begins anew here, though the queue knows that its extraction
        # has ended once.
        return session.extract_some(STEP_SECONDS) or session.derive_some()

    def publish(self, run_id: str, request: dict[str, Any]) -> str:
        """Step: publish. Returns the name of the file."""
        path = self._patiently(run_id, lambda: self._publish(run_id, request))
        self._check_now(run_id)
        self._patiently(run_id, lambda: share(self._settings, "runs", path.stem))
        return path.name

    def _publish(self, run_id: str, request: dict[str, Any]) -> Path:
        while self._derive_some(run_id, request):
            self.check(run_id)
        self._check_now(run_id)
        return self._of(run_id, request).publish()

    def _fetch(self, request: ExtractionRequest) -> None:
        """Have what a job needs in this cache, where other caches may have made it."""
        if request.derives:
            share(self._settings, "runs", request.derives)
        elif may_name_file(request.study):
            share(self._settings, "studies", request.study)

    def _patiently(self, run_id: str, act: Callable[[], T]) -> T:
        """Do part of a job, by :func:`backend.jobs.patience.patiently`."""
        return patiently(
            act,
            partial(self.check, run_id),
            partial(self._report, run_id),
            partial(self.log, run_id),
            self._release,
        )

    @contextmanager
    def alone(self, run_id: str, request: dict[str, Any]) -> Iterator[None]:
        """One job at a time, and a job by one thread: one that is cancelled and resumed within a
        long step is begun again before the step has ended, and would share its session.

        Of a job that is removed within a step, the rest of the step leaves batches and a log
        behind, which go when it has ended.

        Args:
            run_id: the job.
            request: what it does.

        Raises:
            Left: this worker is to end.
        """
        while not self._alone.acquire(timeout=PROGRESS_SECONDS):
            if self._stopping():
                raise Left(PAUSED_TEXT)
        try:
            yield
        finally:
            try:
                self._release()
                if not self._stopping() and self._removed(run_id):
                    leave_nothing(self._settings, run_id, request_from_json(request))
            finally:
                self._alone.release()

    def _release(self) -> None:
        """Close the session; committed batches stay."""
        if self._session is not None:
            self._session[1].close()
            self._session = None

    def _of(self, run_id: str, request: dict[str, Any]) -> Session:
        if self._session is None or self._session[0] != run_id:
            self._release()
            self.log(run_id, f"a worker takes up the job: {self._worker}")
            self._logged = ""
            wanted = request_from_json(request)
            self._fetch(wanted)
            check_request(self._settings, wanted)
            # Imported here: a worker is ready, and refuses what cannot be, before torch is there.
            from backend.runs.session import session_of

            made = session_of(self._settings, run_id, wanted, partial(self._report, run_id))
            self._session = (run_id, made)
        return self._session[1]

    def _check_now(self, run_id: str) -> None:
        """As :meth:`check`, however lately it asked: what follows is seen by others."""
        self._asked_at = 0.0
        self.check(run_id)

    def check(self, run_id: str) -> None:
        """Go on with the job, or leave it.

        Raises:
            Left: this worker is to end, or the job has been cancelled.
        """
        if self._stopping():
            raise Left(PAUSED_TEXT)
        now = time.monotonic()
        if now - self._asked_at >= ASK_SECONDS:
            self._asked_at = now
            if self._cancelled(run_id):
                raise Left(STOPPED_TEXT)

    @property
    def stopping(self) -> Callable[[], bool]:
        """Whether this worker is to end."""
        return self._stopping

    def _report(self, run_id: str, progress: Progress) -> None:
        self.check(run_id)
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
        with extractor.alone(run_id, request):
            return _extracted(run_id, request)

    def _extracted(run_id: str, request: dict[str, Any]) -> str:
        remedy = "see the job's log; use another model if its tokenizer gave up."
        with end_told("job", remedy, partial(extractor.log, run_id), extractor.stopping):
            while extract_some(run_id, request):
                extractor.check(run_id)
            while derive_some(run_id, request):
                extractor.check(run_id)
            name = publish(run_id, request)
            extractor.log(run_id, f"published {name}")
            return name


def serve(settings: Settings, *, with_sample: bool, exchanging: bool = True) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        settings: where the store and the queue are.
        with_sample: import the bundled studies and enqueue their runs if neither has happened in
            this cache yet.
        exchanging: keep the cache equal to the shared place, as nobody else does.

    Raises:
        JobError: no worker slot is free, the queue holds what is not plain JSON or cannot be
            reached, or a worker on it has another shared place.
        ReadOnly: nothing may be changed here.
    """
    if settings.read_only:
        raise ReadOnly(
            "A read-only Steerscope has no worker.",
            expected="STEERSCOPE_READ_ONLY unset where extractions are to run.",
            remedy="unset it, or run the dashboard alone with: python -m backend serve.",
        )
    stop = stopped_by_signals()
    migrate(settings)
    tables = QueueTables(settings)
    _require_plain(tables)
    slot = WorkerSlot(settings)
    queue = JobQueue(settings)

    def left(job: str) -> bool:
        return queue.is_left(job, slot.name)

    extractor = Extractor(settings, slot.name, stop.is_set, left, queue.is_removed)
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
    register_tasks(settings, stop.is_set, left)
    job_log = JobLog(settings, lambda: extractor.run_id)
    if exchanging:
        Exchanging(settings, stop).start()
    # A queue in this cache has no workers but those of this cache, who can all do the same.
    lanes = own_lanes(slot.name) if settings.queue_url else (QUEUE, *LANES)
    DBOS.listen_queues(lanes)
    DBOS.launch()
    for lane in lanes:
        soon = POLL_SECONDS if CONVERSATIONS in lane else PATIENT_SECONDS
        DBOS.register_queue(lane, worker_concurrency=1, polling_interval_sec=soon)
    if settings.queue_url:
        Dispatcher(settings, slot.name, stop, queue.queued, queue.move).start()
    logger.info("%s is ready, cache %s", slot.name, settings.cache)
    if with_sample:
        enqueue_bundled(settings, queue)
    fault: JobError | None = None
    while not stop.wait(BEAT_SECONDS) and fault is None:
        try:
            fault = slot.beat() or tables.refused()
            for run_id in queue.release(slot.living):
                logger.info("queued %s again, as its worker is gone", run_id)
        except JobError as away:  # locked, or its server is away: asked again after a while
            logger.warning("%s", away.what)
    logger.info("%s stops; a running job goes on when a worker starts again", slot.name)
    stop.set()
    DBOS.destroy(workflow_completion_timeout_sec=STOP_SECONDS)
    queue.close()
    tables.close()
    job_log.close()
    slot.release()
    if fault is not None:
        raise fault


def _require_plain(tables: QueueTables) -> None:
    """Raises: JobError: a row of the queue would run code when it is read."""
    fault = tables.refused()
    if fault is not None:
        tables.close()
        raise fault

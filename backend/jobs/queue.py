"""Enqueue, watch, cancel and resume extractions, from any process."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, WorkflowStatus

from backend.errors import JobError
from backend.extraction.engine import LOCAL
from backend.jobs.logs import remove_log
from backend.jobs.rows import (
    ACTIVE,
    STATES,
    QueueTables,
    State,
    error_of,
    published_progress,
    request_of,
)
from backend.jobs.system import APPLICATION_VERSION, OWN, QUEUE, TASK, WORKFLOW, migrate
from backend.jobs.tasks import Tasks
from backend.jobs.workers import WorkerBeat, WorkerTable
from backend.models.model_reference import refuse_outside
from backend.names import may_name_file
from backend.runs.requests import new_run_id, request_to_json
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import discard
from backend.store.run import delete_run, run_path
from backend.store.run_values import RunSummary
from backend.store.shared import share
from backend.store.work_file import derivation_path, work_path
from backend.types import ExtractionRequest, Progress


@dataclass(frozen=True)
class Job:
    """One extraction in the queue's history.

    Attributes:
        run_id: name of the job and of the run it makes.
        state: queued, running, finished, failed or cancelled.
        request: what it extracts.
        created_at: milliseconds since 1970.
        updated_at: milliseconds since 1970.
        error: why it failed; None unless it did.
        priority: jobs with smaller numbers are taken first.
    """

    run_id: str
    state: State
    request: ExtractionRequest
    created_at: int
    updated_at: int
    error: str | None
    priority: int = 0

    @property
    def target(self) -> str:
        """The run it makes, or derives anew."""
        return self.request.derives or self.run_id

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ("queued", "running")


class JobQueue:
    """The queue as a client sees it. Make one per process and keep it.

    What starts, cancels, resumes, removes or deletes something raises ReadOnly where nothing may
    be changed, and NotAllowed where who asks may only look; see :mod:`backend.store.changes`.

    Args:
        settings: where the queue is.
    """

    def __init__(self, settings: Settings) -> None:
        migrate(settings)
        self._settings = settings
        self._tables = QueueTables(settings)
        self._workers = WorkerTable(settings)
        self._client = DBOSClient(
            system_database_url=settings.jobs_url, serializer=DBOSPortableJSONSerializer()
        )

    @property
    def tasks(self) -> Tasks:
        """The jobs of this queue that are no extractions."""
        return Tasks(self._settings, self._client)

    def asked_by(self, settings: Settings) -> JobQueue:
        """The same queue over the same connections, for who asks in these settings.

        Args:
            settings: of the same store.
        """
        asked = copy.copy(self)
        asked._settings = settings
        return asked

    def enqueue(
        self, request: ExtractionRequest, run_id: str | None = None, priority: int = 0
    ) -> str:
        """Queue an extraction.

        Args:
            request: what to extract.
            run_id: name of the run; a job of that name is not queued a second time. None makes
                a new name.
            priority: jobs with smaller numbers are taken first.

        Returns:
            The run id.

        Raises:
            StoreError: the name cannot be a file's.
            NotAllowed: the model is named by a path that may not be named here.
            SharedAway: the study or run cannot be brought to the shared place.
        """
        if not request.derives:
            refuse_outside(request.model, self._settings)
        name = run_id or new_run_id(request.study, request.model)
        work_path(self._settings, name)  # refuses what cannot be a file's name
        if not self._client.list_workflows(workflow_ids=[name], load_input=False):
            changing(self._settings, "start job", name)
            # Before a worker elsewhere looks for it.
            if request.derives:
                share(self._settings, "runs", request.derives)
            elif may_name_file(request.study):
                share(self._settings, "studies", request.study)
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": name,
            "app_version": APPLICATION_VERSION,
        }
        if priority:  # DBOS takes 0 only as the default
            options["priority"] = priority
        self._client.enqueue(
            options,
            request_to_json(request),
        )
        return name

    def enqueue_once(self, request: ExtractionRequest) -> tuple[str, bool]:
        """Queue an extraction unless the same one is queued or running, as of a double click.

        Args:
            request: what to extract.

        Returns:
            The run id, and whether the job is a new one.

        Raises:
            NotAllowed, SharedAway: as for :meth:`enqueue`.
        """
        for job in self.jobs(active=True):
            if job.request == request:
                return job.run_id, False
        return self.enqueue(request), True

    def enqueue_derivation(self, run: RunSummary, engine: str = LOCAL) -> str:
        """Queue the derived tables of a published run to be computed anew.

        Args:
            run: the run.
            engine: whose workers derive.

        Returns:
            The job's id.

        Raises:
            JobError: the run is being derived already.
        """
        if any(job.request.derives == run.run_id for job in self.jobs(active=True)):
            raise JobError(
                f"Run {run.run_id} is being derived already.",
                expected="one derivation of a run at a time.",
                remedy="wait for it, or cancel it first.",
            )
        record = run.record
        request = ExtractionRequest(
            study=run.study_key,
            model=record.model,
            layers=record.layers,
            pooling=record.pooling,
            derives=run.run_id,
            engine=engine,
        )
        return self.enqueue(request, f"derive-{run.run_id}-{secrets.token_hex(2)}")

    def jobs(self, *, active: bool = False) -> tuple[Job, ...]:
        """All jobs, newest first. Args: active: only those that are queued or running."""
        found = self._client.list_workflows(
            name=WORKFLOW, status=ACTIVE if active else None, sort_desc=True
        )
        return tuple(job for status in found if (job := _job(status)) is not None)

    def refused(self) -> JobError | None:
        """Why no worker works on this queue, with what to do; None if it holds plain JSON only.

        Jobs whose rows are something else are not among :meth:`jobs`.

        Raises:
            JobError: it cannot be read now.
        """
        return self._tables.refused()

    def job(self, run_id: str) -> Job:
        """One job.

        Raises:
            JobError: there is none of that name.
        """
        found = self._client.list_workflows(workflow_ids=[run_id])
        job = _job(found[0]) if found else None
        if job is None:
            raise JobError(
                f"No job is called {run_id!r}.",
                expected="a job in the queue's history.",
                remedy="see the Runs page for the jobs there are.",
            )
        return job

    def is_removed(self, run_id: str) -> bool:
        """Whether a job is not in the queue's history any more."""
        return not self._client.list_workflows(workflow_ids=[run_id], load_input=False)

    def is_left(self, run_id: str, worker: str) -> bool:
        """Whether a job that a worker has begun is not its to do any more: cancelled, removed, or
        gone on elsewhere while nothing was heard of it.

        Args:
            run_id: the job.
            worker: name of the worker.
        """
        found = self._client.list_workflows(
            workflow_ids=[run_id], load_input=False, load_output=False
        )
        return not found or (found[0].status, found[0].executor_id) != ("PENDING", worker)

    def progress(self, run_id: str) -> Progress | None:
        """The newest progress the worker published; None before the first, and for what is none."""
        return published_progress(self._client, run_id)

    def cancel(self, run_id: str) -> None:
        """Cancel a job; a running one stops after its current batch and keeps what it has.

        Raises:
            JobError: it is not queued or running.
        """
        self._require(run_id, ("queued", "running"), "cancelled")
        changing(self._settings, "cancel job", run_id)
        self._client.cancel_workflow(run_id)

    def resume(self, run_id: str) -> None:
        """Queue a cancelled job again; it goes on after its last committed batch.

        Raises:
            JobError: it is not cancelled.
        """
        self._require(run_id, ("cancelled",), "resumed")
        changing(self._settings, "resume job", run_id)
        self._client.resume_workflow(run_id, queue_name=QUEUE)

    def retry(self, run_id: str) -> str:
        """Queue the request of a failed or cancelled job as a new job.

        Returns:
            The new run id.

        Raises:
            JobError: it neither failed nor was cancelled.
        """
        job = self._require(run_id, ("failed", "cancelled"), "tried again")
        return self.enqueue(job.request)

    def remove(self, run_id: str) -> None:
        """Delete an ended job from the history, with its log and an unfinished run's batches.

        A finished job's run file stays.

        Raises:
            JobError: it is queued or running.
        """
        job = self._require(run_id, ("finished", "failed", "cancelled"), "removed")
        changing(self._settings, "remove job", run_id)
        self._client.delete_workflow(run_id)
        leave_nothing(self._settings, run_id, job.request)

    def delete_run(self, run_id: str) -> None:
        """Delete a published run's file, and its job from the history if there is one.

        Raises:
            JobError: its job is queued or running.
            RunNotFound: there is no such run.
            UnreadableFile: the file is no run of this version.
        """
        found = self._client.list_workflows(workflow_ids=[run_id])
        if found:
            self._require(run_id, ("finished", "failed", "cancelled"), "deleted")
        if any(job.request.derives == run_id for job in self.jobs(active=True)):
            raise JobError(
                f"Run {run_id} is being derived and cannot be deleted.",
                expected="a run that no job is at work on.",
                remedy="wait for the job, or cancel it first.",
            )
        delete_run(self._settings, run_id)
        if found:
            self.remove(run_id)

    def release(self, living: Callable[[], Collection[str]]) -> tuple[str, ...]:
        """Queue again the running jobs of workers that are gone, and give back what was waiting for
        one of them alone. Of several workers that do so at once, one succeeds.

        Args:
            living: names of the workers that must be left alone. Asked after the jobs have been
                listed: a worker has its name before it takes a job.

        Returns:
            The jobs that were queued again.
        """
        found = self._client.list_workflows(
            name=[WORKFLOW, TASK],
            status=["PENDING", "ENQUEUED"],
            load_input=False,
            load_output=False,
        )
        taken = [status for status in found if status.status == "PENDING"]
        waiting = [status for status in found if OWN in (status.queue_name or "")]
        if not taken and not waiting:
            return ()
        alive = living()
        again = []
        for status in taken:
            job, worker = status.workflow_id, status.executor_id
            # The public call would take a job from a worker that was given it a moment ago.
            if worker not in alive and self._client._sys_db.reenqueue_for_recovery(
                job, [worker or ""], QUEUE
            ):
                again.append(job)
        for status in waiting:
            lane, _, worker = (status.queue_name or "").partition(OWN)
            if worker not in alive:
                self._tables.move(status.workflow_id, f"{lane}{OWN}{worker}", lane)
        return tuple(again)

    def queued(self, lanes: list[str]) -> list[WorkflowStatus]:
        """What waits or runs in some lanes, as rows of the queue.

        Args:
            lanes: their names.
        """
        return self._client.list_workflows(
            status=["ENQUEUED", "PENDING"], queue_name=lanes, load_output=False
        )

    def move(self, job: str, source: str, target: str) -> bool:
        """Move a queued job into another lane. Returns whether nobody was faster.

        Args:
            job: its id.
            source: the lane in which it waits.
            target: the other lane.
        """
        return self._tables.move(job, source, target)

    def workers(self) -> tuple[WorkerBeat, ...]:
        """The workers that are alive, on all machines.

        Raises:
            JobError: the queue cannot be read now.
        """
        return self._workers.live()

    def places(self) -> dict[str, str]:
        """Job at work -> name of the worker that does it."""
        found = self._client.list_workflows(
            name=[WORKFLOW, TASK], status="PENDING", load_input=False, load_output=False
        )
        return {status.workflow_id: status.executor_id or "" for status in found}

    def close(self) -> None:
        """Release the connections."""
        self._tables.close()
        self._workers.close()
        self._client.destroy()

    def _require(self, run_id: str, states: tuple[State, ...], verb: str) -> Job:
        job = self.job(run_id)
        if job.state not in states:
            raise JobError(
                f"Job {run_id} is {job.state} and cannot be {verb}.",
                expected=f"a job that is {' or '.join(states)}.",
                remedy="reload the page to see its present state.",
            )
        return job


def leave_nothing(settings: Settings, run_id: str, request: ExtractionRequest) -> None:
    """Remove what an ended job has left: its log, and an unfinished run's batches.

    Args:
        settings: where the store is.
        run_id: name of the job.
        request: what it was to do.
    """
    remove_log(settings, run_id)
    if request.derives:
        discard(derivation_path(settings, request.derives))
    elif not run_path(settings, run_id).exists():
        discard(work_path(settings, run_id))


def ahead_of(job: Job, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """The jobs a queued job waits for, the next to end first; none for any other job.

    Args:
        job: the job.
        jobs: all jobs.
    """
    if job.state != "queued":
        return ()
    before = [
        other
        for other in jobs
        if other.state == "running" or (other.state == "queued" and _turn(other) < _turn(job))
    ]
    return tuple(sorted(before, key=lambda other: (other.state != "running", _turn(other))))


def _turn(job: Job) -> tuple[int, int, str]:
    """In which order a worker takes queued jobs."""
    return job.priority, job.created_at, job.run_id


def _job(status: WorkflowStatus) -> Job | None:
    request = request_of(status)
    if request is None or status.status not in STATES:
        return None
    return Job(
        run_id=status.workflow_id,
        state=STATES[status.status],
        request=request,
        created_at=status.created_at or 0,
        updated_at=status.updated_at or 0,
        error=error_of(status),
        priority=status.priority or 0,
    )

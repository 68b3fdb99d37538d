"""What has been extracted: ended jobs and published runs in one list."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from backend.jobs.queue import Job
from backend.store.run_values import RunSummary


@dataclass(frozen=True)
class Entry:
    """A line of the history.

    Attributes:
        run_id: name of the job; also of its run, unless it derived another one.
        state: finished, failed or cancelled as the queue has it; ``derived`` for a finished
            derivation; ``published`` for a run without a job; ``deleted`` for a finished job
            whose run is gone, or ``not here`` where it may also be on its way.
        model: as the user gave it.
        layers: first and last, and how many.
        pooling: how tokens were pooled.
        study: ``name@hash``.
        at: UTC, when it was queued, or begun where there is no job.
        seconds: from then to its end; None without a job.
        megabytes: size of the run's file; None without a file.
        job: its job, if the queue has one.
        run: its run, if it is published.
    """

    run_id: str
    state: str
    model: str
    layers: str
    pooling: str
    study: str
    at: str
    seconds: float | None
    megabytes: float | None
    job: Job | None
    run: RunSummary | None


def history(
    jobs: Sequence[Job], runs: Sequence[RunSummary], *, shared: bool = False
) -> tuple[Entry, ...]:
    """Ended jobs and published runs, newest first.

    Args:
        jobs: all jobs; active ones are left out.
        runs: published runs.
        shared: whether runs come here from a shared place, some moments after their jobs have
            ended.
    """
    published = {run.run_id: run for run in runs}
    known = {job.run_id for job in jobs}
    entries = [_of_job(job, published.get(job.target), shared) for job in jobs if not job.active]
    entries += [_of_run(run) for run_id, run in published.items() if run_id not in known]
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.run_id), reverse=True))


def _of_job(job: Job, run: RunSummary | None, shared: bool) -> Entry:
    queued = datetime.datetime.fromtimestamp(job.created_at / 1000, datetime.UTC)
    return Entry(
        run_id=job.run_id,
        state=_state(job, run, shared),
        model=job.request.model,
        layers=_span(job.request.layers),
        pooling=job.request.pooling,
        study=job.request.study,
        at=queued.strftime("%Y-%m-%d %H:%M:%S"),
        seconds=round((job.updated_at - job.created_at) / 1000, 1),
        megabytes=_megabytes(run),
        job=job,
        run=run,
    )


def _of_run(run: RunSummary) -> Entry:
    record = run.record
    return Entry(
        run_id=run.run_id,
        state="published",
        model=record.model,
        layers=_span(record.layers),
        pooling=record.pooling,
        study=run.study_key,
        at=record.created_at[:19].replace("T", " "),
        seconds=None,
        megabytes=_megabytes(run),
        job=None,
        run=run,
    )


def _state(job: Job, run: RunSummary | None, shared: bool) -> str:
    if job.state == "finished" and run is None:
        return "not here" if shared else "deleted"
    return "derived" if job.state == "finished" and job.target != job.run_id else job.state


def _span(layers: Sequence[int]) -> str:
    if len(layers) == 1:
        return str(layers[0])
    return f"{layers[0]}–{layers[-1]} ({len(layers)})"


def _megabytes(run: RunSummary | None) -> float | None:
    return None if run is None else round(run.bytes / 1e6, 1)

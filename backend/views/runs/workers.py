"""Who works on the queue, on which machine, and at what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.jobs.queue import Job
from backend.jobs.workers import WorkerBeat
from backend.models.model_reference import is_path
from backend.settings import Settings

# What a table holds for a worker that has no job.
IDLE = "nothing"


def worker_rows(workers: Sequence[WorkerBeat], at_work: Mapping[str, str]) -> list[dict[str, str]]:
    """One row a worker, by machine.

    Args:
        workers: those that are alive.
        at_work: job -> name of the worker that does it.
    """
    jobs: dict[str, list[str]] = {}
    for job, worker in sorted(at_work.items()):
        jobs.setdefault(worker, []).append(job)
    return [
        {
            "machine": worker.host,
            "worker": worker.name,
            "works on": ", ".join(jobs.get(worker.name, [])) or IDLE,
            "cache": worker.folder,
            "last heard of": f"{max(worker.seconds, 0.0):.0f} s ago",
        }
        for worker in sorted(workers, key=lambda worker: (worker.host, worker.name))
    ]


def workers_words(workers: Sequence[WorkerBeat], lost_after: float) -> str:
    """How many there are, and what becomes of the job of one that is lost.

    Args:
        workers: those that are alive; at least one.
        lost_after: seconds of silence after which a worker counts as lost.
    """
    machines = len({worker.host for worker in workers})
    count = "1 worker" if len(workers) == 1 else f"{len(workers)} workers"
    places = "1 machine" if machines == 1 else f"{machines} machines"
    return (
        f"{count} on {places}. If nothing is heard of a worker for {lost_after:g} seconds, its job "
        "is queued again and another worker takes it."
    )


def waits_for(job: Job, settings: Settings) -> str:
    """What a queued job waits for that has no other job before it.

    Args:
        job: the job.
        settings: where the queue is.
    """
    if settings.queue_url and not job.request.derives and is_path(job.request.model.strip()):
        return f"waiting for a worker on a machine that has {job.request.model}"
    return "waiting for a worker"

"""Queue a study again as a run was extracted, with some prompts dropped."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from backend.jobs.queue import JobQueue
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.studies.dropped_prompts import drop_prompts
from backend.types import StudyRef


def drop_and_enqueue(
    settings: Settings, queue: JobQueue, run: RunSummary, numbers: Collection[int]
) -> tuple[StudyRef, str]:
    """Publish the revision of a run's study without some prompts, and queue its extraction.

    Args:
        settings: where the store is.
        queue: takes the job.
        run: the run, whose model, layers, pooling and number type are taken.
        numbers: the prompts' numbers in its study.

    Returns:
        The revision, and the id of the job and of the run that it makes.

    Raises:
        StudyFaults: a pole would be left with too few prompts; nothing is kept.
        StoreError: the run is simulated.
        StudyNotFound, UnreadableFile: its study is not in the store any more.
    """
    request = request_like(run.record, run.study_key)
    ref = drop_prompts(settings, run.study_key, numbers)
    return ref, queue.enqueue_once(dataclasses.replace(request, study=ref.key))[0]

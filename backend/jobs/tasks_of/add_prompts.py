"""One more prompt set of a study, written by a model; the revision is extracted then, if wanted."""

from __future__ import annotations

from typing import Any

from backend.asking.writer import asker
from backend.jobs.bringing import bring
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import ASKING
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.changes import changing
from backend.store.study import find_study, load_study, publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from backend.writing.prompt_set import with_written_prompts
from backend.writing.requests import AddRequest


def _check(settings: Settings, values: Values) -> None:
    request = AddRequest.from_json(values)
    request.check(settings)
    _extraction(settings, request, request.study)


def _bring(settings: Settings, values: Values) -> None:
    bring(settings, "studies", [str(values.get("study", ""))])
    bring(settings, "runs", [str(values.get("like", ""))])


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    request = AddRequest.from_json(values)
    request.check(settings)
    revised = with_written_prompts(
        load_study(settings, find_study(settings, request.study)),
        request.prompt_set,
        request.pairs,
        asker(settings, request.writer, tell.progress),
        request.writer.name,
        temperature=request.temperature,
        answer_tokens=request.answer_tokens,
    )
    tell.check(now=True)
    changing(settings, "add prompt set", request.study)
    made = publish_study(settings, revised, content_hash(revised))
    extraction = _extraction(settings, request, made.key)
    run = "" if extraction is None else _queued(settings, extraction)
    return {"study": made.key, "prompt_set": request.prompt_set, "run": run}


def _extraction(settings: Settings, request: AddRequest, study: str) -> ExtractionRequest | None:
    if not request.like:
        return None
    return request_like(run_summary(settings, request.like).record, study)


def _queued(settings: Settings, wanted: ExtractionRequest) -> str:
    """The run of the revision: a job that a worker which died has queued already, or a new one."""
    # Imported here: the queue knows the kinds of tasks, of which this is one.
    from backend.jobs.queue import JobQueue

    queue = JobQueue(settings)
    try:
        known = (
            job.run_id
            for job in queue.jobs()
            if job.request == wanted and job.state not in ("failed", "cancelled")
        )
        return next(known, None) or queue.enqueue(wanted)
    finally:
        queue.close()


KIND = JobKind("add-prompts", ASKING, _check, _bring, _work)

"""A study written from a trait in a sentence, kept as a draft."""

from __future__ import annotations

from typing import Any

from backend.asking.writer import asker
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import ASKING
from backend.settings import Settings
from backend.writing.drafts import keep_draft
from backend.writing.new_study import written
from backend.writing.requests import WriteRequest


def _check(settings: Settings, values: Values) -> None:
    WriteRequest.from_json(values).check(settings)


def _bring(settings: Settings, values: Values) -> None:
    """Nothing: a new study is written from words alone."""


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    request = WriteRequest.from_json(values)
    ask = asker(settings, request.writer, tell.progress)
    by = request.responder or request.writer
    respond = ask if by == request.writer else asker(settings, by, tell.progress)
    draft = written(request.wanted, ask, respond, request.writer.name, by.name)
    tell.check(now=True)
    keep_draft(settings, draft)
    return {"draft": draft.study.name, "notes": list(draft.notes)}


KIND = JobKind("write", ASKING, _check, _bring, _work)

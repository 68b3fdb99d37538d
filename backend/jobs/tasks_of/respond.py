"""The chats of a study answered by another model, kept as a draft."""

from __future__ import annotations

from typing import Any

from backend.asking.writer import asker
from backend.jobs.bringing import bring
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import ASKING
from backend.settings import Settings
from backend.store.study import find_study, load_study
from backend.writing.drafts import keep_draft
from backend.writing.new_study import Draft, rubric_of_traits
from backend.writing.requests import RespondRequest
from backend.writing.responding import left_out, responded


def _check(settings: Settings, values: Values) -> None:
    RespondRequest.from_json(values).check(settings)


def _bring(settings: Settings, values: Values) -> None:
    bring(settings, "studies", [str(values.get("study", ""))])


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    request = RespondRequest.from_json(values)
    made, lost = responded(
        load_study(settings, find_study(settings, request.study)),
        request.name,
        asker(settings, request.writer, tell.progress),
        request.writer.name,
        samples=request.samples,
        temperature=request.temperature,
        answer_tokens=request.answer_tokens,
    )
    notes = left_out(lost)
    tell.check(now=True)
    keep_draft(settings, Draft(made, rubric_of_traits(made.traits), notes))
    return {"draft": made.name, "notes": list(notes)}


KIND = JobKind("respond", ASKING, _check, _bring, _work)

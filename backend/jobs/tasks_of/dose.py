"""Dose-responses, measured one after another like extractions."""

from __future__ import annotations

from typing import Any

from backend.asking.writer import refuse_endpoint
from backend.jobs.kind import Kind, Tell, Values
from backend.jobs.system import QUEUE
from backend.models.model_reference import refuse_outside
from backend.settings import Settings
from backend.steering.dose_request import DoseRequest, check_dose


def _check(settings: Settings, values: Values) -> None:
    request = DoseRequest.from_json(values)
    if request.plan.source.model:
        refuse_outside(request.plan.source.model, settings)
    _refuse_judge(settings, request)
    check_dose(settings, request)


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    # Imported here: it needs torch and transformers, which take seconds.
    from backend.steering.dose_session import measure_doses

    request = DoseRequest.from_json(values)
    _refuse_judge(settings, request)
    made = measure_doses(settings, request, tell.progress)
    return [record.name for record in made]


def _refuse_judge(settings: Settings, request: DoseRequest) -> None:
    if request.judge is not None:
        refuse_endpoint(settings, request.judge.url)


KIND = Kind("dose", QUEUE, _check, _work)

"""Dose-responses, measured one after another like extractions."""

from __future__ import annotations

import dataclasses
from typing import Any

from backend.asking.writer import refuse_endpoint
from backend.jobs.bringing import bring, bring_source
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import QUEUE
from backend.models.model_reference import refuse_outside
from backend.settings import Settings
from backend.steering.dose_request import DoseRequest, check_dose
from backend.store.dose import has_dose, name_of_job, publish_dose


def _check(settings: Settings, values: Values) -> None:
    request = DoseRequest.from_json(values)
    if request.plan.source.model:
        refuse_outside(request.plan.source.model, settings)
    _refuse_judge(settings, request)
    check_dose(settings, request)


def _bring(settings: Settings, values: Values) -> None:
    bring_source(settings, DoseRequest.from_json(values).plan.source)


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    # Imported here: it needs torch and transformers, which take seconds.
    from backend.steering.dose_session import DoseSession

    request = DoseRequest.from_json(values)
    _refuse_judge(settings, request)
    session = DoseSession(settings, request, tell.progress)
    names = [name_of_job(tell.task_id, layer) for layer in session.layers]
    for layer, name in zip(session.layers, names, strict=True):
        # What a worker that died has completed stays.
        bring(settings, "doses", [name])
        if not has_dose(settings, name):
            record = dataclasses.replace(session.measure(layer), name=name)
            tell.check(now=True)
            publish_dose(settings, record)
        bring(settings, "doses", [name])
    return names


def _refuse_judge(settings: Settings, request: DoseRequest) -> None:
    if request.judge is not None:
        refuse_endpoint(settings, request.judge.url)


KIND = JobKind("dose", QUEUE, _check, _bring, _work)

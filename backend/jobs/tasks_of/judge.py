"""The responses of a study or a draft scored by a judge."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from backend.jobs.bringing import bring
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import ASKING
from backend.judging.judging import judge
from backend.settings import Settings
from backend.writing.requests import JudgeRequest


def _check(settings: Settings, values: Values) -> None:
    JudgeRequest.from_json(values).check(settings)


def _bring(settings: Settings, values: Values) -> None:
    bring(settings, "studies", [str(values.get("study", ""))])


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    request = JudgeRequest.from_json(values)
    study = request.source(settings)
    judging = request.judging(settings, study)
    ref, judged = judge(settings, study, judging, tell.progress, request.judge.at_once)
    half = judging.scale.high / 2
    return {
        "study": ref.key,
        "scored": judged.scored,
        "asked": judged.asked,
        "missing": dict(judged.missing),
        "coherence": {
            "responses": len(judged.coherence),
            "mean": fmean(judged.coherence) if judged.coherence else None,
            "half": half,
            "below": sum(score < half for score in judged.coherence),
        },
        "tokens": None if judged.tokens is None else list(judged.tokens),
    }


KIND = JobKind("judge", ASKING, _check, _bring, _work)

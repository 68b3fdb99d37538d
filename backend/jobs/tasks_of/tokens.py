"""Responses of a run token by token; see :mod:`backend.runs.token_view`."""

from __future__ import annotations

from typing import Any

from backend.jobs.bringing import bring, bring_vector
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import CONVERSATIONS
from backend.runs.token_view import TokenRequest, check_request, token_view
from backend.settings import Settings


def _check(settings: Settings, values: Values) -> None:
    check_request(settings, TokenRequest.from_values(values))


def _bring(settings: Settings, values: Values) -> None:
    request = TokenRequest.from_values(values)
    bring(settings, "runs", [request.run_id])
    for key in request.keys:
        bring_vector(settings, key.name)


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    return token_view(settings, TokenRequest.from_values(values), tell.progress).to_values()


KIND = JobKind("tokens", CONVERSATIONS, _check, _bring, _work)

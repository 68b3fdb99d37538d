"""The job that answers one turn of a chat with a steered model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from backend.jobs.bringing import bring_source
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import CONVERSATIONS
from backend.models.model_reference import refuse_outside
from backend.settings import Settings
from backend.steering.answer import SpokenToken
from backend.steering.request import SteerRequest, check_request

# How often tokens are handed on, seconds: one write of the queue takes as long as a token may.
TELL_SECONDS = 0.15


def _check(settings: Settings, values: Values) -> None:
    request = SteerRequest.from_json(values)
    if request.source.model:
        refuse_outside(request.source.model, settings)
    check_request(settings, request)


def _bring(settings: Settings, values: Values) -> None:
    bring_source(settings, SteerRequest.from_json(values).source)


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    """Answer the turn.

    A piece has ``seconds`` since the first token, and ``steps``: a step has [text, before, after]
    of each variant, or null where its answer has ended.

    Args:
        settings: where the store is.
        values: of a :class:`SteerRequest`.
        tell: is given pieces, and asked after every token whether to go on.

    Returns:
        A :class:`backend.steering.answer.Turn` as JSON.
    """
    # Imported here: it takes seconds, and pages read the registry of kinds.
    from backend.steering.session import answer_turn

    waiting: list[list[list[str | float] | None]] = []
    told_at = first_at = 0.0

    def told(tokens: Sequence[SpokenToken | None]) -> None:
        nonlocal told_at, first_at
        now = time.monotonic()
        first_at = first_at or now
        waiting.append([None if t is None else [t.text, t.before, t.after] for t in tokens])
        if now - told_at < TELL_SECONDS:
            tell.check()
            return
        told_at = now
        tell.piece({"seconds": now - first_at, "steps": list(waiting)})
        waiting.clear()

    turn = answer_turn(settings, SteerRequest.from_json(values), tell.progress, told)
    if waiting:
        tell.piece({"seconds": turn.seconds, "steps": waiting})
    return turn.to_json()


KIND = JobKind("steer", CONVERSATIONS, _check, _bring, _work)

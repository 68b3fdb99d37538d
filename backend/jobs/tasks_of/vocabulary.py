"""What a vector says through the unembedding; see :mod:`backend.runs.vocabulary`."""

from __future__ import annotations

from typing import Any

from backend.jobs.bringing import bring, bring_vector
from backend.jobs.kind import JobKind, Tell, Values
from backend.jobs.system import CONVERSATIONS
from backend.runs.vocabulary import VocabularyRequest, check_vocabulary, vocabulary
from backend.settings import Settings


def _check(settings: Settings, values: Values) -> None:
    check_vocabulary(settings, VocabularyRequest.from_values(values))


def _bring(settings: Settings, values: Values) -> None:
    request = VocabularyRequest.from_values(values)
    bring(settings, "runs", [request.run_id])
    bring_vector(settings, request.key.name)


def _work(settings: Settings, values: Values, tell: Tell) -> Any:
    return vocabulary(settings, VocabularyRequest.from_values(values), tell.progress).to_values()


KIND = JobKind("vocabulary", CONVERSATIONS, _check, _bring, _work)

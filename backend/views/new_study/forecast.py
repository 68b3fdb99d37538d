"""What writing, responding and judging will take, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from backend.asking.answers import read_answers
from backend.asking.endpoint import Endpoint
from backend.asking.forecast import AskingForecast, forecast
from backend.asking.question import Question
from backend.asking.writer import Writer, endpoint_of
from backend.judging.judging import plan
from backend.settings import Settings
from backend.store.study import find_study, load_study
from backend.writing.new_study import Wanted, expected, expected_set
from backend.writing.requests import AddRequest, JudgeRequest, RespondRequest, WriteRequest
from backend.writing.responding import questions_to_respond


def writing_forecast(
    settings: Settings, request: WriteRequest
) -> tuple[tuple[Writer, AskingForecast], ...]:
    """What each model will be asked for a new study.

    Args:
        settings: where answers are kept.
        request: what is to be written.

    Raises:
        SteerscopeError: it cannot be written, or not here.
    """
    request.check(settings)
    first, second = expected(request.wanted)
    by = request.responder or request.writer
    if by == request.writer:
        return ((by, _told(settings, by, [*first, *second])),)
    return (
        (request.writer, _told(settings, request.writer, first)),
        (by, _told(settings, by, second)),
    )


def adding_forecast(settings: Settings, request: AddRequest) -> AskingForecast:
    """What the model will be asked for one more prompt set.

    Args:
        settings: where answers are kept.
        request: what is to be written.

    Raises:
        SteerscopeError: it cannot be written, or not here.
    """
    request.check(settings)
    study = load_study(settings, find_study(settings, request.study))
    asked: list[Question] = []
    for trait, meaning in study.traits.items():
        asked += expected_set(
            Wanted(
                study.name,
                trait,
                meaning,
                pairs=request.pairs,
                temperature=request.temperature,
                answer_tokens=request.answer_tokens,
            )
        )
    return _told(settings, request.writer, asked)


def responding_forecast(settings: Settings, request: RespondRequest) -> AskingForecast:
    """What the model will be asked for other responses.

    Args:
        settings: where answers are kept.
        request: whose chats are answered.

    Raises:
        SteerscopeError: they cannot be answered, or not here.
    """
    request.check(settings)
    asked = questions_to_respond(
        load_study(settings, find_study(settings, request.study)),
        request.samples,
        request.temperature,
        request.answer_tokens,
    )
    return _told(settings, request.writer, asked)


def judging_forecast(settings: Settings, request: JudgeRequest) -> AskingForecast:
    """What the judge will be asked.

    Args:
        settings: where answers are kept.
        request: what is to be judged.

    Raises:
        SteerscopeError: it cannot be judged, or not here.
    """
    # Before the study is read: whether the judge may be asked is not to depend on it.
    endpoint_of(settings, request.judge)
    study = request.source(settings)
    asked = plan(study, request.judging(settings, study))
    return _told(settings, request.judge, [one.question for one in asked])


def _told(settings: Settings, writer: Writer, asked: Sequence[Question]) -> AskingForecast:
    """At the pace of an endpoint's kept answers; that of a model on this machine is not known."""
    if not writer.endpoint.strip():
        return forecast(asked, {}, 1)
    endpoint: Endpoint = endpoint_of(settings, writer)
    return forecast(asked, read_answers(settings, endpoint), writer.at_once)

"""Measure and keep the dose-responses of a request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from backend.asking.asking import AT_ONCE, ask_all
from backend.asking.question import Question
from backend.errors import SteeringError
from backend.judging.rubric import request_of, rubric_of_study
from backend.judging.scales import SCALES
from backend.models.load import load
from backend.models.resolve import resolve
from backend.settings import Settings
from backend.steering.chats import Chat
from backend.steering.dose_request import DoseRequest, check_dose, study_of
from backend.steering.dosing import Score, measure_dose
from backend.steering.hooks import steerable
from backend.steering.vectors import find_vector
from backend.store.changes import changing
from backend.store.dose import DoseRecord, publish_dose
from backend.types import Message, Progress, Response, Study

_SCALE = SCALES["0-10"]
_ANSWER_TOKENS = 32


def measure_doses(
    settings: Settings, request: DoseRequest, told: Callable[[Progress], None]
) -> tuple[DoseRecord, ...]:
    """Measure and keep a dose-response at each layer.

    Args:
        settings: where the store is.
        request: what is measured.
        told: of the progress; what it raises ends the measurement, of which the layers that are
            complete stay.

    Raises:
        SteeringError: as :func:`check_dose`, or the model has other weights than the run.
        ModelError: the model cannot be found or loaded.
        EndpointError: the judge cannot be asked.
        ReadOnly, NotAllowed, NoRoom: nothing may or can be kept.
    """
    check_dose(settings, request)
    source = request.plan.source
    changing(settings, "measure dose-response", source.run_id or source.name)
    reference = find_vector(settings, source).model
    resolved = resolve(reference, settings, lambda what, _: told(Progress(what)))
    told(Progress("loading the model"))
    model = steerable(load(resolved, device=request.device, need_chat_template=False))
    study = study_of(settings, source)
    made = []
    for layer in request.layers or (source.layer,):
        plan = dataclasses.replace(request.plan, source=dataclasses.replace(source, layer=layer))
        vector = find_vector(settings, plan.source)
        if vector.weights_hash not in (None, resolved.weights_hash):
            raise SteeringError(
                f"The model {reference} has other weights now than those of run {source.run_id}.",
                expected="the weights that the vector was made from.",
                remedy="extract the study again with these weights, and measure that run.",
            )
        record = measure_dose(
            model,
            vector,
            plan,
            study,
            told,
            _score(settings, request, study),
            request.judge_model,
        )
        publish_dose(settings, record)
        made.append(record)
    return tuple(made)


def _score(settings: Settings, request: DoseRequest, study: Study | None) -> Score | None:
    """A judge of answers by the study's description of the trait."""
    endpoint = request.judge
    if endpoint is None or study is None:
        return None
    rubric, trait = rubric_of_study(study), request.plan.source.trait

    def score(asked: Sequence[tuple[Chat, str]]) -> list[float | None]:
        questions = []
        for chat, text in asked:
            response = Response(
                scenario="", text=text, turn=None, responder="", messages=_messages(chat)
            )
            wanted = request_of(rubric, trait, response, _SCALE)
            questions.append(
                Question(
                    (Message("user", wanted),), most_tokens=_ANSWER_TOKENS, about={"dose": trait}
                )
            )
        answers = ask_all(settings, endpoint, questions, lambda _: None, at_once=AT_ONCE)
        return [_SCALE.read(answers[question.key]).score for question in questions]

    return score


def _messages(chat: Chat) -> tuple[Message, ...]:
    made = [Message("system", chat.system)] if chat.system else []
    for place, said in enumerate(chat.said):
        made.append(Message("user", said))
        if place < len(chat.answered):
            made.append(Message("assistant", chat.answered[place]))
    return tuple(made)

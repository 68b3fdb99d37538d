"""Measure the dose-responses of a request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from backend.asking.asking import ASKING, AT_ONCE, ask_all
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
from backend.steering.hooks import SteerableModel, steerable
from backend.steering.vectors import find_vector
from backend.store.changes import changing
from backend.store.dose import DoseRecord
from backend.types import Message, Progress, Response, Study

_SCALE = SCALES["0-10"]
_ANSWER_TOKENS = 32
_ASKING = "asking the judge"


class DoseSession:
    """Measures the dose-responses of a request layer by layer, with a model that is loaded for the
    first.

    Args:
        settings: where the store is.
        request: what is measured.
        told: of the progress; what it raises ends the measurement.

    Raises:
        SteeringError, JudgeError, EndpointError, StoreError: as :func:`check_dose`.
        ReadOnly, NotAllowed: nothing may be kept here, or not by who asks.
    """

    def __init__(
        self, settings: Settings, request: DoseRequest, told: Callable[[Progress], None]
    ) -> None:
        check_dose(settings, request)
        source = request.plan.source
        changing(settings, "measure dose-response", source.run_id or source.name)
        self._settings, self._request, self._told = settings, request, told
        self._model: SteerableModel | None = None
        self.layers = request.layers or (find_vector(settings, source).layer,)

    def measure(self, layer: int) -> DoseRecord:
        """The dose-response at one layer; it is not kept.

        Args:
            layer: of ``layers``.

        Raises:
            SteeringError: the model has other weights than the run.
            ModelError: the model cannot be found or loaded.
            EndpointError: the judge cannot be asked.
        """
        settings, request = self._settings, self._request
        source = dataclasses.replace(request.plan.source, layer=layer)
        plan = dataclasses.replace(request.plan, source=source)
        vector = find_vector(settings, source)
        if self._model is None:
            resolved = resolve(vector.model, settings, lambda what, _: self._told(Progress(what)))
            self._told(Progress("loading the model"))
            self._model = steerable(load(resolved, device=request.device, need_chat_template=False))
        if vector.weights_hash not in (None, self._model.loaded.resolved.weights_hash):
            raise SteeringError(
                f"The model {vector.model} has other weights now than those of run "
                f"{source.run_id}.",
                expected="the weights that the vector was made from.",
                remedy="extract the study again with these weights, and measure that run.",
            )
        study = study_of(settings, source)
        score = _score(settings, request, study)
        return measure_dose(
            self._model, vector, plan, study, self._told, score, request.judge_model
        )


def _score(settings: Settings, request: DoseRequest, study: Study | None) -> Score | None:
    """A judge of answers by the study's description of the trait."""
    endpoint = request.judge
    if endpoint is None or study is None:
        return None
    rubric, trait = rubric_of_study(study), request.plan.source.trait

    def score(asked: Sequence[tuple[Chat, str]], told: Callable[[str], None]) -> list[float | None]:
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
        told(_ASKING)
        answers = ask_all(
            settings,
            endpoint,
            questions,
            # What else there is to say, such as that another is waited for, is said as it is.
            lambda at: told(_ASKING if at.stage == ASKING else at.stage),
            at_once=AT_ONCE,
        )
        return [_SCALE.read(answers[question.key]).score for question in questions]

    return score


def _messages(chat: Chat) -> tuple[Message, ...]:
    made = [Message("system", chat.system)] if chat.system else []
    for place, said in enumerate(chat.said):
        made.append(Message("user", said))
        if place < len(chat.answered):
            made.append(Message("assistant", chat.answered[place]))
    return tuple(made)

"""New responses to the chats of a study, by another model."""

from __future__ import annotations

import dataclasses

from backend.asking.question import Question
from backend.errors import SteerscopeError
from backend.studies.tables import text_problem
from backend.types import Message, Response, Study, Turn
from backend.writing.new_study import MOST_SAMPLES, Ask


def responded(
    study: Study,
    name: str,
    respond: Ask,
    responder: str,
    *,
    samples: int = 1,
    temperature: float = 1.0,
    answer_tokens: int = 200,
) -> tuple[Study, int]:
    """A study with the same prompts, whose responses are a model's, without scores.

    Each chat of the study is answered once more; what an earlier responder said in it stays. Where
    several responders have a chat of the same scenario and turn, the first one's is taken.

    Args:
        study: with chats before its responses; stays as it is.
        name: of the new study.
        respond: the model.
        responder: its name.
        samples: responses to each chat; from two on each has a scenario of its own, in the group of
            the old one.
        temperature: of the answers.
        answer_tokens: longest answer.

    Returns:
        The new study, and how many answers are left out as they are empty or cannot be kept.

    Raises:
        SteerscopeError: the study has no chats, or no answer can be kept.
    """
    chats = check_responding(study, samples)
    places = [(old, sample) for old in chats for sample in range(samples)]
    asked = [
        (*place, question)
        for place, question in zip(
            places,
            questions_to_respond(study, samples, temperature, answer_tokens),
            strict=True,
        )
    ]
    answers = respond([question for *_, question in asked])
    made = []
    for old, sample, question in asked:
        text = answers[question.key].text.strip()
        if text and text_problem(text) is None:
            several = samples > 1
            made.append(
                Response(
                    scenario=f"{old.scenario}-{sample + 1}" if several else old.scenario,
                    text=text,
                    turn=old.turn,
                    responder=responder,
                    messages=old.messages,
                    group=old.dependence if several else old.group,
                )
            )
    if not made:
        raise SteerscopeError(
            f"None of the {len(asked)} answers of {responder} can be kept: they are empty.",
            expected="answers with text.",
            remedy="use another model, or longer answers (--answer-tokens).",
        )
    provenance = (
        f"{study.provenance} Its responses are left out, and their chats answered by the model "
        f"{responder} at temperature {temperature:g}, without scores."
    )
    new = dataclasses.replace(study, name=name, responses=tuple(made), provenance=provenance)
    return new, len(asked) - len(made)


def check_responding(study: Study, samples: int) -> tuple[Response, ...]:
    """One response of each chat that would be answered.

    Args:
        study: with chats before its responses.
        samples: responses to each chat.

    Raises:
        SteerscopeError: the study has no chats, or so many samples cannot be written.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise SteerscopeError(
            f"{samples} samples cannot be written.",
            expected=f"1 to {MOST_SAMPLES}.",
            remedy="choose another number (--samples).",
        )
    chats: dict[tuple[str, Turn | None], Response] = {}
    for response in study.responses:
        if response.messages:
            chats.setdefault((response.scenario, response.turn), response)
    if not chats:
        raise SteerscopeError(
            f"No response of study {study.name!r} has a chat before it.",
            expected="responses with messages.",
            remedy="add messages to responses.jsonl (docs/studies.md) and import it again.",
        )
    return tuple(chats.values())


def questions_to_respond(
    study: Study, samples: int, temperature: float, answer_tokens: int
) -> list[Question]:
    """What the model is asked: every chat, and of each all samples.

    Args:
        study: with chats before its responses.
        samples: responses to each chat.
        temperature: of the answers.
        answer_tokens: longest answer.

    Raises:
        SteerscopeError: see :func:`check_responding`.
    """
    return [
        _question(study, old.messages, sample, temperature, answer_tokens)
        for old in check_responding(study, samples)
        for sample in range(samples)
    ]


def left_out(lost: int) -> tuple[str, ...]:
    """What the author of the new study should know of answers that are left out.

    Args:
        lost: how many.
    """
    return (f"{lost} answers are left out: empty, or none to keep.",) if lost else ()


def _question(
    study: Study,
    chat: tuple[Message, ...],
    seed: int,
    temperature: float,
    answer_tokens: int,
) -> Question:
    about = {"study": study.name, "for": "response"}
    return Question(chat, temperature, seed, answer_tokens, about=about)

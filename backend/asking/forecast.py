"""What asking will take: requests, tokens, time and money, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from backend.asking.question import Answer, Question, unasked

CHARACTERS_PER_TOKEN = 4
BY_CHARACTERS = f"counted as {CHARACTERS_PER_TOKEN} characters each"


@dataclass(frozen=True)
class Price:
    """Money for a million tokens. Attributes: of the questions, and of the answers."""

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


@dataclass(frozen=True)
class AskingForecast:
    """What is still to be asked.

    Attributes:
        questions: in all, each once.
        left: of them without a kept answer.
        tokens_in: of the questions that are left.
        most_tokens_out: of their answers, if each were as long as it may be.
        counted: how tokens were counted, in words.
        seconds: for all that is left, at the pace of the answers that are kept; None where there
            are none.
    """

    questions: int
    left: int
    tokens_in: int
    most_tokens_out: int
    counted: str
    seconds: float | None


def forecast(
    questions: Sequence[Question],
    answered: Mapping[str, Answer],
    at_once: int,
    count: Callable[[str], int] | None = None,
    counted: str = BY_CHARACTERS,
) -> AskingForecast:
    """What is still to be asked.

    Args:
        questions: may repeat each other.
        answered: key -> answer, of those that are kept.
        at_once: requests in flight.
        count: tokens of a text; None takes a token for every four characters.
        counted: how it counts, in words.
    """
    left = unasked(questions, answered)
    counts = count or (lambda text: math.ceil(len(text) / CHARACTERS_PER_TOKEN))
    paces = [answer.seconds for answer in answered.values()]
    return AskingForecast(
        questions=len({question.key for question in questions}),
        left=len(left),
        tokens_in=sum(counts(one.content) for question in left for one in question.messages),
        most_tokens_out=sum(question.most_tokens for question in left),
        counted=counted,
        seconds=fmean(paces) * len(left) / at_once if paces else None,
    )

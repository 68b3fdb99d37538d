"""What is asked of a model, and what it answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backend.types import Message, chat_values


@dataclass(frozen=True)
class Question:
    """One request. Two with the same key have the same answer, which is asked for once.

    Attributes:
        messages: the chat that the model answers.
        temperature: of sampling; 0 takes the likeliest token.
        seed: of sampling; repeats of a question differ in it.
        most_tokens: length of the answer.
        probabilities: whether the likeliest first tokens are wanted with their probabilities.
        about: what the answer is for, kept beside it for people; it does not enter the key.
    """

    messages: tuple[Message, ...]
    temperature: float = 0.0
    seed: int = 0
    most_tokens: int = 32
    probabilities: bool = False
    about: Mapping[str, object] = field(default_factory=dict, compare=False)

    @cached_property
    def key(self) -> str:
        """sha256 of everything that is asked, as hex digits."""
        asked = [
            chat_values(self.messages),
            float(self.temperature),
            self.seed,
            self.most_tokens,
            self.probabilities,
        ]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        text: of the answer; empty where there is none.
        finish: why it ends, as the endpoint says: stop, length, content_filter ...
        refused: whether the endpoint marks it as a refusal.
        probabilities: first token -> its probability, of the likeliest ones; empty where they were
            not asked for or not given.
        second_token: what follows the first token, where probabilities were asked for; else empty.
        tokens_in: tokens of the question, as the endpoint counts; None where it does not say.
        tokens_out: likewise of the answer.
        seconds: from asking to the answer, retries included.
        at: UTC, ISO 8601.
    """

    text: str
    finish: str = "stop"
    refused: bool = False
    probabilities: Mapping[str, float] = field(default_factory=dict)
    second_token: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float = 0.0
    at: str = ""


def unasked(questions: Sequence[Question], answered: Mapping[str, Answer]) -> list[Question]:
    """The questions without an answer, each once, in their order.

    Args:
        questions: that may repeat each other.
        answered: key -> answer.
    """
    return [q for q in {q.key: q for q in questions}.values() if q.key not in answered]

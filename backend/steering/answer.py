"""What a steered model answered, as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.steering.request import AnswerKind


@dataclass(frozen=True)
class SpokenToken:
    """A token of an answer.

    Attributes:
        text: what it adds to the text; empty while a character is not complete.
        before: x . v̂ at the vector's layer before the intervention, in units of activations.
        after: the same after it.
    """

    text: str
    before: float
    after: float


@dataclass(frozen=True)
class VariantAnswer:
    """The answer of one variant.

    Attributes:
        name: of the variant.
        kind: plain, steered or random.
        strength: in the request's unit; None where there is none.
        text: without special tokens.
        tokens: of the answer.
        finished: whether the model ended it, and not the limit.
        tokens_in: of the chat with its template.
        tokens_reused: of these, how many were read in an earlier turn.
        ids: numbers of the tokens in the model's vocabulary; () while it is being written.
    """

    name: str
    kind: AnswerKind
    strength: float | None
    text: str
    tokens: tuple[SpokenToken, ...]
    finished: bool
    tokens_in: int
    tokens_reused: int
    ids: tuple[int, ...] = ()

    @property
    def mean_before(self) -> float | None:
        """Mean over the tokens of x . v̂ before the intervention; None without tokens.

        As there is one layer of intervention, and the blocks before it are as they were, this is
        what the model without steering reads of the same text, where prompt and answer are its own.
        """
        return _mean([token.before for token in self.tokens])

    @property
    def mean_after(self) -> float | None:
        """The same after the intervention."""
        return _mean([token.after for token in self.tokens])


@dataclass(frozen=True)
class Turn:
    """One turn of all variants.

    Attributes:
        said: what was answered.
        answers: one a variant.
        seconds: from the first token of the answers to the last.
        tokens_per_second: of all variants together; None where there is at most one token.
        notes: what a reader should know, as sentences.
    """

    said: str
    answers: tuple[VariantAnswer, ...]
    seconds: float
    tokens_per_second: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; a token is [text, before, after]."""
        values = dataclasses.asdict(self)
        for answer, one in zip(values["answers"], self.answers, strict=True):
            answer["tokens"] = [[token.text, token.before, token.after] for token in one.tokens]
            answer["ids"] = list(one.ids)
        return values | {"answers": list(values["answers"]), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Turn:
        """Read back what :meth:`to_json` wrote."""
        answers = tuple(
            VariantAnswer(
                **one
                | {
                    "tokens": tuple(SpokenToken(*token) for token in one["tokens"]),
                    "ids": tuple(one["ids"]),
                }
            )
            for one in values["answers"]
        )
        return cls(**dict(values) | {"answers": answers, "notes": tuple(values["notes"])})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

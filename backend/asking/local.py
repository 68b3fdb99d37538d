"""Questions to a model on this machine, whose answers are kept like those of an endpoint."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from backend.asking.answers import open_answers
from backend.asking.question import Answer, Question, unasked
from backend.models.model_reference import model_name
from backend.settings import Settings
from backend.types import Progress

if TYPE_CHECKING:
    from backend.models.load import LoadedModel

BATCH = 16


@dataclass(frozen=True)
class _Local:
    """A model on this machine, as its answers name it. Attributes: beginning of its weights' hash,
    and its name."""

    url: str
    model: str


class LocalModel:
    """A model on this machine that answers; loaded at the first question without a kept answer.

    Args:
        settings: where models and answers are.
        reference: preset, Hub id[@revision], local folder or .gguf file.
        device: as for an extraction.
        batch: answers made together.
    """

    def __init__(
        self, settings: Settings, reference: str, *, device: str = "auto", batch: int = BATCH
    ) -> None:
        self._settings = settings
        self._reference = reference
        self._device = device
        self._batch = batch
        self._loaded: LoadedModel | None = None

    @property
    def name(self) -> str:
        """Of the model."""
        return model_name(self._reference)

    def ask(
        self, questions: Sequence[Question], report: Callable[[Progress], None]
    ) -> dict[str, Answer]:
        """The answers to all questions; those that are kept from before are not made again.

        Args:
            questions: may repeat each other.
            report: told of the progress after every batch.

        Returns:
            key -> answer, of these questions.

        Raises:
            ModelError: the model cannot be found or loaded.
            TextTooLong: a chat with its answer does not fit into the model.
            NoRoom, UnreadableFile: of the file of answers.
        """
        # Imported here: it takes seconds, and endpoints need none of it.
        from backend.models.load import load
        from backend.models.resolve import resolve

        resolved = resolve(self._reference, self._settings, lambda what, _: report(Progress(what)))
        local = _Local(f"local:{resolved.weights_hash[:12]}", self.name)
        with open_answers(self._settings, local, report) as answers:
            todo = unasked(questions, answers.answered)
            total = len({question.key for question in questions})
            report(Progress("answering", total - len(todo), total))
            if todo and self._loaded is None:
                self._loaded = load(resolved, device=self._device, need_chat_template=True)
            if self._loaded is not None:
                for asked, made in _batches(self._loaded, todo, self._batch):
                    for question, answer in zip(asked, made, strict=True):
                        answers.add(question, answer)
                    done = total - len(unasked(questions, answers.answered))
                    report(Progress("answering", done, total))
            return {question.key: answers.answered[question.key] for question in questions}


def _batches(
    loaded: LoadedModel, todo: Sequence[Question], size: int
) -> Iterator[tuple[list[Question], list[Answer]]]:
    """Questions of like settings and length together, longest last."""
    from backend.extraction.spans import chat_ids
    from backend.models.generate import generate

    ids = {
        question.key: chat_ids(loaded.tokenizer, question.messages, "a question")
        for question in todo
    }

    def settings_of(question: Question) -> tuple[float, int]:
        return question.temperature, question.most_tokens

    ordered = sorted(todo, key=lambda q: (*settings_of(q), len(ids[q.key]), q.key))
    for (temperature, most_tokens), group in groupby(ordered, settings_of):
        alike = list(group)
        for start in range(0, len(alike), size):
            batch = alike[start : start + size]
            began = time.monotonic()
            written = generate(
                loaded,
                [ids[question.key] for question in batch],
                most_tokens=most_tokens,
                temperature=temperature,
                # The key holds the seed, and everything else that is asked.
                seeds=[int(question.key[:15], 16) for question in batch],
            )
            seconds = round((time.monotonic() - began) / len(batch), 3)
            at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            yield (
                batch,
                [
                    Answer(
                        text=one.text,
                        finish="stop" if one.finished else "length",
                        tokens_in=one.tokens_in,
                        tokens_out=one.tokens_out,
                        seconds=seconds,
                        at=at,
                    )
                    for one in written
                ],
            )

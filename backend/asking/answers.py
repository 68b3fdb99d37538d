"""Answers as they come, one line each in a file that only grows: a kill loses none of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from backend.asking.question import Answer, Question
from backend.errors import UnreadableFile
from backend.settings import Settings
from backend.store.locks import try_lock
from backend.store.room import writing
from backend.types import Progress, chat_values

FORMAT = 1
# How often it is looked whether another has ended, seconds.
_LOOK_SECONDS = 0.3


class Answerer(Protocol):
    """Who answers: a model at an endpoint, or on this machine."""

    @property
    def url(self) -> str:
        """Where it is."""

    @property
    def model(self) -> str:
        """Its name there."""


class Answers:
    """The kept answers of one model at one endpoint.

    Args:
        path: of the file, which this process has locked.
        answered: key -> answer.
    """

    def __init__(self, path: Path, answered: dict[str, Answer]) -> None:
        self.path = path
        self.answered = answered

    def add(self, question: Question, answer: Answer) -> None:
        """Keep an answer; on the disk when this returns.

        Args:
            question: what was asked.
            answer: of the model.

        Raises:
            NoRoom: the disk is full, or does not let it be written.
        """
        line = {
            "key": question.key,
            "about": dict(question.about),
            "asked": {
                "messages": chat_values(question.messages),
                "temperature": question.temperature,
                "seed": question.seed,
                "most_tokens": question.most_tokens,
                "probabilities": question.probabilities,
            },
            "answer": dataclasses.asdict(answer),
        }
        _append(self.path, line)
        self.answered[question.key] = answer


def answers_path(settings: Settings, answerer: Answerer) -> Path:
    """The file of a model's answers. One file for all studies: an answer is found by its question.

    Args:
        settings: where the store is.
        answerer: which model answers where.
    """
    digest = hashlib.sha256(f"{answerer.url.rstrip('/')}\n{answerer.model}".encode()).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "-", answerer.model.lower()).strip("-")[:60] or "model"
    return settings.answers / f"{slug}-{digest[:12]}.jsonl"


def read_answers(settings: Settings, answerer: Answerer) -> dict[str, Answer]:
    """Key -> answer, of those that are kept; nothing is written.

    Args:
        settings: where the store is.
        answerer: which model answers where.

    Raises:
        UnreadableFile: a line of the file is none of an answer.
    """
    path = answers_path(settings, answerer)
    return _read(path) if path.exists() else {}


@contextmanager
def open_answers(
    settings: Settings, answerer: Answerer, report: Callable[[Progress], None]
) -> Iterator[Answers]:
    """The kept answers, to add to. One at a time, so that nothing is asked and paid for twice:
    where another job or command is adding to them, it is waited for.

    Args:
        settings: where the store is.
        answerer: which model answers where.
        report: told while another is waited for; what it raises ends the waiting.

    Raises:
        UnreadableFile: a line of the file is none of an answer.
        NoRoom: the disk is full, or does not let it be written.
    """
    path = answers_path(settings, answerer)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while (lock := try_lock(path)) is None:
            report(Progress(f"waiting for another job or command that asks {answerer.model}"))
            time.sleep(_LOOK_SECONDS)
    with lock:
        with writing(path):
            _cut_torn_line(path)
        answered = _read(path)
        if path.stat().st_size == 0:
            _append(path, {"format": FORMAT, "endpoint": answerer.url, "model": answerer.model})
        yield Answers(path, answered)


def _append(path: Path, line: object) -> None:
    with writing(path), path.open("a", encoding="utf-8", newline="\n") as handle:
        handle.write(f"{json.dumps(line, ensure_ascii=True)}\n")
        handle.flush()
        os.fsync(handle.fileno())


def _cut_torn_line(path: Path) -> None:
    """Take away what a kill or a full disk has left of a line: its answer was not kept."""
    with path.open("r+b") as handle:
        content = handle.read()
        handle.truncate(content.rfind(b"\n") + 1)


def _read(path: Path) -> dict[str, Answer]:
    answered: dict[str, Answer] = {}
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.endswith("\n"):  # another process is writing it
                break
            try:
                values = json.loads(line)
                if number == 1:
                    if values["format"] != FORMAT:
                        raise ValueError(f"its format is {values['format']}, not {FORMAT}")
                    continue
                answered[values["key"]] = Answer(**values["answer"])
            except (ValueError, LookupError, TypeError) as fault:
                raise UnreadableFile(
                    f"Line {number} of {path} holds no answer: {fault}.",
                    expected="one answer a line, as Steerscope writes them.",
                    remedy="mend or remove the line; only its question is asked again.",
                ) from fault
    return answered

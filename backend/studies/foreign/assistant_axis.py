"""The files of assistant-axis: a model's answers in roles, and a judge's scores of them from 0 to 3
(Lu et al., The Assistant Axis)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from backend.studies.conversation import read_messages
from backend.studies.faults import FaultList, shown
from backend.studies.foreign.form import (
    ForeignFormat,
    UnderstoodStudy,
    listed,
    note_skipped,
    stem,
    understood_as,
    usable,
    without_repeats,
)
from backend.studies.parsed_files import Files
from backend.studies.prompts import PromptPlace
from backend.studies.rows import Record
from backend.types import Message, Prompt, Response

TITLE = "assistant-axis"
SCORES = (0.0, 3.0)
# Answers in full character; the tool takes a role's vector from them alone.
FULL = 3.0
# The role of the assistant itself, which is every role's low pole. Its answers are not judged.
DEFAULT = "default"
_COLUMNS = {"prompt_index", "question_index", "label", "conversation"}
_KEY = re.compile(r".+_p[0-9]+_q[0-9]+")
_EVEN = re.compile(r"[0-9]*[02468]")
# Wrong scores that a fault names before it only counts them.
_LISTED = 5
# Answer of a role by number of its system prompt and of the question.
_Answers = dict[tuple[str, str], tuple[Record, tuple[Message, ...], str]]


def read(files: Files, faults: FaultList) -> UnderstoodStudy | None:
    """A study of the roles in some files: each is a trait.

    Questions of even number give the poles: the answer in the role, if it is in full character (3),
    and the default assistant's answer to the same question and prompt. Those of odd number give the
    responses, so that no text is both.

    Args:
        files: path -> parsed file.
        faults: told what was left out, and which files are missing.
    """
    tables = {
        stem(path): (path, file.rows)
        for path, file in files.items()
        if file.rows and file.rows[0].values.keys() >= _COLUMNS
    }
    if not tables:
        return None
    scores = {
        stem(path): (path, file.value)
        for path, file in files.items()
        if isinstance(file.value, dict) and file.value and all(map(_KEY.fullmatch, file.value))
    }
    roles = sorted(role for role in tables.keys() - {DEFAULT} if role in scores)
    _check_complete(tables.keys(), scores.keys(), faults)
    answers = {
        role: _answers(*tables[role], faults) for role in (*roles, DEFAULT) if role in tables
    }
    judged = [_Scored(role, tables[role][0], answers[role], scores[role][1]) for role in roles]
    for own in judged:
        _check_scores(scores[own.role][0], own, faults)
    placed: list[tuple[Prompt, PromptPlace]] = []
    for own in judged:
        placed += without_repeats(_poles(own, answers.get(DEFAULT, {}), faults), faults)
    responses = [one for own in judged for one in _responses(own, faults)] if placed else []
    understood_as(
        TITLE,
        f"{len(placed) // 2} pairs of answers in {len(roles)} roles ({listed(roles)}) and by the "
        f"default assistant to questions of even number, and {len(responses)} responses to those "
        "of odd number with scores from 0 to 3. High is the role; the tool's own axis points from "
        "the roles to the assistant",
        faults,
    )
    return UnderstoodStudy(
        "Answers of a model in roles, scored by the judge of assistant-axis.",
        placed,
        responses,
        score_range=SCORES,
        files=frozenset(path for path, _ in tables.values()),
    )


class _Scored:
    """A role's answers with their scores."""

    def __init__(self, role: str, path: str, answers: _Answers, scores: Mapping[str, Any]) -> None:
        self.role = role
        self.path = path
        self.answers = answers
        self._scores = scores

    def named(self, key: tuple[str, str]) -> str:
        """The key of an answer's score."""
        return f"{self.answers[key][0].values['label']}_p{key[0]}_q{key[1]}"

    def score(self, key: tuple[str, str]) -> object:
        """The judge's score of an answer as it stands in the file; None where there is none."""
        value = self._scores.get(self.named(key))
        return None if isinstance(value, float) and math.isnan(value) else value


def _check_scores(path: str, own: _Scored, faults: FaultList) -> None:
    """See that every score that answers have is a number within the range. Args: path of scores."""
    wrong: dict[str, list[str]] = {}
    for key in own.answers:
        score = own.score(key)
        if score is None:
            continue
        if isinstance(score, bool) or not isinstance(score, int | float):
            why = "no numbers"
        elif not SCORES[0] <= score <= SCORES[1]:
            why = f"outside {SCORES[0]:g} to {SCORES[1]:g}"
        else:
            continue
        wrong.setdefault(why, []).append(f"{own.named(key)} is {shown(score)}")
    for why, found in wrong.items():
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        faults.add(
            path,
            None,
            f"{len(found)} scores of answers are {why}: {', '.join(found[:_LISTED])}{more}.",
            f"Write a number from {SCORES[0]:g} to {SCORES[1]:g} alone, without quotes, or leave "
            "the score out.",
        )


def _check_complete(tables: Set[str], scores: Set[str], faults: FaultList) -> None:
    """See that the default answers and every role's scores are there."""
    if DEFAULT not in tables:
        faults.add(
            f"{DEFAULT}.jsonl",
            None,
            "The answers of the default assistant, the low pole of every role, are missing.",
            f"Add responses/{DEFAULT}.jsonl.",
        )
    for role in sorted(tables - scores - {DEFAULT}):
        faults.add(
            f"{role}.json",
            None,
            f"The scores of role {role!r} are missing.",
            f"Add scores/{role}.json, or leave responses/{role}.jsonl out.",
        )


def _answers(path: str, rows: Sequence[Record], faults: FaultList) -> _Answers:
    """A role's answers: the last message of each conversation, in the chat before it."""
    found: _Answers = {}
    unread = []
    for row in rows:
        given = row.values.get("conversation")
        said = given if isinstance(given, list) else []
        last = said[-1] if said else None
        text = usable(last.get("content")) if isinstance(last, dict) else None
        before = read_messages(path, row.line, said[:-1], FaultList()) if text is not None else None
        if text is None or not before:
            unread.append(row.line)
            continue
        key = (str(row.values.get("prompt_index")), str(row.values.get("question_index")))
        found.setdefault(key, (row, before, text))
    note_skipped(path, unread, len(rows), "hold no answer", faults)
    return found


def _is_even(key: tuple[str, str]) -> bool:
    return _EVEN.fullmatch(key[1]) is not None


def _poles(own: _Scored, low: _Answers, faults: FaultList) -> Iterator[tuple[Prompt, PromptPlace]]:
    """Pairs of an answer in full character and the default one to the same question and prompt."""
    left_out = []
    for key, (row, messages, text) in own.answers.items():
        if not _is_even(key):
            continue
        if own.score(key) != FULL or key not in low:
            left_out.append(row.line)
            continue
        pair, place = f"{key[1]}-{key[0]}", PromptPlace(own.path, row.line)
        yield Prompt(own.role, "high", text, pair=pair, messages=messages), place
        yield Prompt(own.role, "low", low[key][2], pair=pair, messages=low[key][1]), place
    why = "are of even questions and have no score of 3, or no default answer beside them"
    note_skipped(own.path, left_out, len(own.answers), why, faults)


def _responses(own: _Scored, faults: FaultList) -> Iterator[Response]:
    """The role's judged answers to questions of odd number; those to one question are dependent."""
    left_out = []
    for key, (row, messages, text) in own.answers.items():
        if _is_even(key):
            continue
        score = own.score(key)
        if not isinstance(score, int | float):
            left_out.append(row.line)
            continue
        yield Response(
            scenario=f"{own.role} q{key[1]} p{key[0]}",
            text=text,
            messages=messages,
            scores={own.role: float(score)},
            group=f"q{key[1]}",
        )
    note_skipped(
        own.path, left_out, len(own.answers), "are of odd questions and not scored", faults
    )


FORMAT = ForeignFormat(TITLE, read)

"""What a model is asked when it writes a study, and how its lists are read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.types import Message, Pole

LONGEST_QUESTION = 500
_ITEM = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*•])\s+(.*\S)\s*$", re.MULTILINE)
_POLE = re.compile(r"^\W*(high|low)\W*:\W*(.*\S)\s*$", re.IGNORECASE | re.MULTILINE)
# How strongly a response is told to show the trait, in turn: without such a range a judge would
# give nearly the same score to all, and there would be nothing to predict.
GRADES: tuple[str, ...] = (
    "",
    "Show a little of this trait in your answer: {meaning}",
    "Show this trait in your answer as clearly as you can: {meaning}",
    "Show the opposite of this trait in your answer. The trait: {meaning}",
)
_POLES: dict[Pole, str] = {"high": GRADES[2], "low": GRADES[3]}


def pole_chat(meaning: str, pole: Pole, question: str) -> tuple[Message, ...]:
    """The chat whose answer shows a pole.

    Args:
        meaning: the trait in a sentence.
        pole: which end of it.
        question: what the user says.
    """
    system = _POLES[pole].format(meaning=meaning)
    return (Message("system", system), Message("user", question))


def graded_chat(meaning: str, grade: int, question: str) -> tuple[Message, ...]:
    """The chat before a response.

    Args:
        meaning: the trait in a sentence.
        grade: number of a grade; they are taken in turn.
        question: what the user says.
    """
    system = GRADES[grade % len(GRADES)].format(meaning=meaning)
    return (*((Message("system", system),) if system else ()), Message("user", question))


def questions_request(trait: str, meaning: str, count: int) -> str:
    """Ask for questions of users.

    Args:
        trait: its name.
        meaning: the trait in a sentence.
        count: how many are wanted.
    """
    return (
        f"Write {count} short messages that a user may send to an assistant. The assistant's "
        f"answers to them should be able to differ in one trait, {trait.replace('_', ' ')}: "
        f"{meaning}\nThe messages do not speak of the trait, and differ from each other in topic "
        "and form. Write them as a numbered list, one a line, and nothing else."
    )


def rubric_request(trait: str, meaning: str) -> str:
    """Ask what the two ends of a trait look like.

    Args:
        trait: its name.
        meaning: the trait in a sentence.
    """
    return (
        f"Responses of an assistant are scored for one trait, {trait.replace('_', ' ')}: "
        f"{meaning}\nSay in two lines what a response looks like that has much of it and one that "
        "has none. Begin the lines with 'High:' and 'Low:', and write nothing else."
    )


def read_list(text: str) -> list[str]:
    """The items of a numbered or dashed list, without quotes around them.

    Args:
        text: of an answer; lines that are no items are left out, and so are long ones.
    """
    items = (found[1].strip().strip('"“”*').strip() for found in _ITEM.finditer(text))
    return [item for item in items if item and len(item) <= LONGEST_QUESTION]


def read_poles(text: str) -> dict[str, str]:
    """``high`` and ``low`` -> what is said of them; empty where a line is not there.

    Args:
        text: of an answer.
    """
    found = {match[1].lower(): match[2].strip() for match in _POLE.finditer(text)}
    return found if len(found) == 2 else {}


def different(texts: Sequence[str]) -> list[str]:
    """The texts without those that repeat another but for case and white space.

    Args:
        texts: in their order.
    """
    return list({" ".join(text.casefold().split()): text for text in reversed(texts)}.values())[
        ::-1
    ]

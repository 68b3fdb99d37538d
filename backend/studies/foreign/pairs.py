"""Contrast pairs: one record holds a positive and a negative text, as repeng, wisent,
steering-bench and preference data have them."""

from __future__ import annotations

from backend.names import name_problem
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
from backend.studies.mapping.guess import PAIRS
from backend.studies.parsed_files import Files
from backend.studies.prompts import PromptPlace
from backend.studies.rows import Record
from backend.types import Message, Prompt

TITLE = "contrast pairs"
# Column of what both answer.
_QUESTIONS = ("question", "prompt")
# Column of the trait.
_TRAITS = ("trait", "concept", "trait_label")
# Where the text lies in a side that is an object: of wisent, and of earlier steering-bench files.
_NESTED = ("model_response", "response")
# Names of files that say nothing of the trait; their folder does.
_GENERIC = ("generate_dataset", "test_dataset_ab", "dataset", "pairs", "train", "test", "data")


def read(files: Files, faults: FaultList) -> UnderstoodStudy | None:
    """A study of the pairs in some files: without responses, as pairs have no scores.

    With a question, both texts are answers in its chat; without one, they are plain texts. A file
    is a prompt set; the only one of a trait is the default.

    Args:
        files: path -> parsed file.
        faults: told what was left out.
    """
    tables = {}
    for path, file in files.items():
        poles = _poles(file.rows[0]) if file.rows else None
        if poles is not None:
            tables[path] = file.rows, poles
    if not tables:
        return None
    traits = {path: _trait_of_file(path) for path in tables}
    placed: list[tuple[Prompt, PromptPlace]] = []
    for path, (rows, poles) in tables.items():
        alone = list(traits.values()).count(traits[path]) == 1
        found: list[tuple[Prompt, PromptPlace]] = []
        skipped: list[int] = []
        asked = [_question(row) is not None for row in rows]
        for number, row in enumerate(rows, start=1):
            named = "default" if alone else stem(path)
            pair = _pair(row, str(number), poles, traits[path], named)
            if any(asked) and _question(row) is None:
                pair = None  # read as plain text beside chats
            if pair is None:
                skipped.append(row.line)
            else:
                found += [(prompt, PromptPlace(path, row.line)) for prompt in pair]
        needed = "a question and two texts" if any(asked) else "two texts"
        note_skipped(path, skipped, len(rows), f"do not hold {needed}", faults)
        placed += without_repeats(found, faults)
    names = sorted({prompt.trait for prompt, _ in placed})
    for prompt, place in placed:
        if prompt.pole == "high" and (problem := name_problem("trait", prompt.trait)) is not None:
            faults.add(place.file, place.line, *problem, shown(prompt.trait))
    understood_as(
        TITLE,
        f"{len(placed) // 2} pairs of {len(names)} traits ({listed(names)}), without scores, so "
        "without r. Where the answers are letters such as (A), pool end-2",
        faults,
    )
    return UnderstoodStudy(
        "Its files do not say who wrote the pairs.", placed, files=frozenset(tables)
    )


def _poles(row: Record) -> tuple[str, str] | None:
    for high, low in PAIRS:
        if high in row.values and low in row.values:
            return high, low
    return None


def _trait_of_file(path: str) -> str:
    parts = path.split("/")
    name = stem(path)
    return parts[-2] if name in _GENERIC and len(parts) > 1 else name


def _pair(
    row: Record, pair: str, poles: tuple[str, str], trait: str, prompt_set: str
) -> tuple[Prompt, Prompt] | None:
    high, low = (_text(row.values.get(column)) for column in poles)
    if high is None or low is None:
        return None
    asked = _question(row)
    said = next((usable(row.values.get(c)) for c in _TRAITS if row.values.get(c)), None)
    messages = () if asked is None else (Message("user", asked),)
    name = trait if said is None else said.strip()
    return (
        Prompt(name, "high", high, prompt_set, pair, messages),
        Prompt(name, "low", low, prompt_set, pair, messages),
    )


def _question(row: Record) -> str | None:
    """What both sides answer: of the record, or of its sides where they say the same."""
    asked = next((usable(row.values.get(c)) for c in _QUESTIONS if row.values.get(c)), None)
    if asked is not None:
        return asked
    sides = [value.get("prompt") for value in row.values.values() if isinstance(value, dict)]
    return usable(sides[0]) if sides and all(side == sides[0] for side in sides) else None


def _text(value: object) -> str | None:
    if isinstance(value, dict):
        return next((usable(value[key]) for key in _NESTED if key in value), None)
    # steering-bench writes its persona answers as lists of one text.
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return usable(value)


FORMAT = ForeignFormat(TITLE, read)

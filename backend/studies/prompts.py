"""Rows of prompts.* as prompts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from backend.studies.conversation import read_messages
from backend.studies.faults import FaultList, shown
from backend.studies.names import name_of, optional_name
from backend.studies.rows import Record
from backend.studies.tables import as_seen, check_columns, text_of
from backend.types import POLES, Pole, Prompt

LEAST_PER_POLE = 2
# Pairs of repeated prompts that one message lists before it counts the rest.
_MOST_PAIRS = 50
# Prompts of a pair without a chat begin with so many words alike; so many pairs are no accident.
_SAME_WORDS, _LEAST_ALIKE = 3, 4


@dataclass(frozen=True)
class PromptPlace:
    """Where a prompt stands. Attributes: file (or field of a form) and line, from 1."""

    file: str
    line: int


# Trait, set, pair and pole -> where that prompt of the pair stands.
_Pairs = dict[tuple[str, str, str, str], PromptPlace]


def read_prompts(
    name: str, rows: Sequence[Record], faults: FaultList, *, complete: bool = True
) -> list[Prompt]:
    """The prompts of a file.

    Args:
        name: file name.
        rows: its records.
        faults: told of everything wrong.
        complete: whether every record of the file is in the rows.
    """
    before = faults.count
    placed = place_prompts(name, rows, faults)
    return check_prompts(name, placed, faults, complete=complete and faults.count == before)


def named_traits(rows: Sequence[Record]) -> set[str] | None:
    """Traits that any row names, also rows that are no prompt; None where no row names one."""
    named = {
        str(value).strip()
        for row in rows
        for column, value in row.values.items()
        if value is not None and column.strip().lower() == "trait"
    }
    return named or None


def place_prompts(
    name: str, rows: Sequence[Record], faults: FaultList
) -> list[tuple[Prompt, PromptPlace]]:
    """Every readable prompt of a file with its place, before prompts are compared.

    Args:
        name: file name.
        rows: its records.
        faults: told of rows that are no prompt.
    """
    good = check_columns(
        name, rows, ("trait", "pole", "text"), ("prompt_set", "pair", "messages"), faults
    )
    found = [(_prompt(name, row, faults), row.line) for row in good]
    return [(prompt, PromptPlace(name, line)) for prompt, line in found if prompt is not None]


def check_prompts(
    name: str,
    placed: Sequence[tuple[Prompt, PromptPlace]],
    faults: FaultList,
    *,
    complete: bool = True,
) -> list[Prompt]:
    """The prompts in order, after seeing that none is repeated and that both poles are there.

    Args:
        name: what the prompts stand in as a whole, for faults that have no line.
        placed: prompts and where each stands.
        faults: told of everything wrong.
        complete: whether these are all prompts; where some could not be read, nothing is said to
            be missing.
    """
    first_at: dict[Prompt, PromptPlace] = {}
    repeated: list[tuple[PromptPlace, PromptPlace]] = []
    for prompt, place in placed:
        if prompt in first_at:
            repeated.append((place, first_at[prompt]))
        else:
            first_at[prompt] = place
    _add_repeated(repeated, faults)
    _note_alike(first_at, faults)
    _check_opposite(first_at, faults)
    seen = _check_pairs(first_at, faults)
    _note_mixed(name, first_at, faults)
    _note_unmarked_pairs(name, first_at, faults)
    if complete:
        _check_whole_pairs(seen, faults)
        _check_poles(name, first_at, faults)
    return list(first_at)


def _add_repeated(repeated: Sequence[tuple[PromptPlace, PromptPlace]], faults: FaultList) -> None:
    """One fault for all prompts that stand twice in a file. Args: each with its first place."""
    by_file: dict[str, list[tuple[PromptPlace, PromptPlace]]] = {}
    for place, first in repeated:
        by_file.setdefault(place.file, []).append((place, first))
    for file, pairs in by_file.items():
        at = pairs[0][0].line
        if len(pairs) == 1:
            what = f"The same prompt stands on {_where(pairs[0][1], pairs[0][0])}."
            faults.add(file, at, what, "Remove one of them.")
            continue
        listed = ", ".join(
            f"line {place.line} repeats {_where(first, place)}"
            for place, first in pairs[:_MOST_PAIRS]
        )
        more = f" and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
        what = f"{len(pairs)} prompts stand in the file already: {listed}{more}."
        faults.add(file, at, what, "Keep one of each.")


def _note_alike(first_at: Mapping[Prompt, PromptPlace], faults: FaultList) -> None:
    """Say which prompts of a trait and set look the same; they stay two prompts."""
    alike: dict[tuple[object, ...], tuple[Prompt, PromptPlace]] = {}
    for prompt, place in first_at.items():
        text = as_seen(prompt.text)
        key = (prompt.trait, prompt.prompt_set, prompt.messages, text)
        first, at = alike.setdefault(key, (prompt, place))
        if first.text == prompt.text:
            continue
        by = "white space"
        if " ".join(first.text.split()) != " ".join(prompt.text.split()):
            by = "what is not seen (Unicode normalisation or signs of no width)"
        remedy = "Remove one, if they were meant to be the same."
        said = f"The prompt differs from another of {prompt.trait!r} by {by} only"
        if first.pole != prompt.pole:
            said += ", which is of the opposite pole"
            remedy = "A text can show only one pole of a trait: remove one, if they are the same."
        faults.note(
            place.file,
            place.line,
            f"{said}: {{}}. Both are kept.",
            remedy,
            f"see {_where(at, place)}",
        )


def _where(place: PromptPlace, seen_from: PromptPlace) -> str:
    """A place in words: its line, and its file where that is another one."""
    return f"line {place.line}" + ("" if place.file == seen_from.file else f" of {place.file}")


def _prompt(name: str, row: Record, faults: FaultList) -> Prompt | None:
    trait = name_of(name, row, "trait", faults)
    text = text_of(name, row, "text", faults)
    pole = row.values["pole"]
    if isinstance(pole, str):
        pole = pole.strip()
    if pole not in POLES:
        faults.add(name, row.line, "Unknown pole {}.", "Write high or low.", shown(pole))
        return None
    prompt_set = optional_name(name, row, "prompt_set", "default", faults)
    pair = optional_name(name, row, "pair", "", faults)
    messages = read_messages(name, row.line, row.values.get("messages"), faults)
    if trait is None or text is None or prompt_set is None or pair is None or messages is None:
        return None
    return Prompt(trait, cast(Pole, pole), text, prompt_set, pair or None, messages)


def _check_opposite(first_at: Mapping[Prompt, PromptPlace], faults: FaultList) -> None:
    """One fault for all texts of a file that are of both poles, by the file of the high pole."""
    by_files: dict[tuple[str, str], list[tuple[PromptPlace, PromptPlace]]] = {}
    for prompt, place in first_at.items():
        opposite = dataclasses.replace(prompt, pole="low")
        if prompt.pole == "high" and opposite in first_at:
            low = first_at[opposite]
            by_files.setdefault((low.file, place.file), []).append((low, place))
    held = Counter(place.file for place in first_at.values())
    for (file, other), pairs in by_files.items():
        pairs.sort(key=lambda pair: pair[0].line)
        low, high = pairs[0]
        if len(pairs) == 1:
            what = f"The same text is the high pole on {_where(high, low)}."
        elif file != other and held[file] == held[other] == len(pairs):
            what = f"Low and high poles are the same {len(pairs)} texts: those of {other}."
        else:
            listed = ", ".join(
                f"line {low.line} is {_where(high, low)}" for low, high in pairs[:_MOST_PAIRS]
            )
            more = f" and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
            what = f"{len(pairs)} texts of the low pole are the high pole too: {listed}{more}."
        faults.add(file, low.line, what, "A text can show only one pole of a trait.")


def _check_pairs(first_at: Mapping[Prompt, PromptPlace], faults: FaultList) -> _Pairs:
    """The pairs, none of which has two prompts of one pole."""
    seen: _Pairs = {}
    for prompt, place in first_at.items():
        if prompt.pair is None:
            continue
        key = (prompt.trait, prompt.prompt_set, prompt.pair, prompt.pole)
        if key in seen:
            faults.add(
                place.file,
                place.line,
                f"Pair {prompt.pair!r} has its {prompt.pole} prompt on "
                f"{_where(seen[key], place)} already.",
                "Give each pair one high and one low prompt.",
            )
        seen[key] = place
    return seen


def _check_whole_pairs(seen: _Pairs, faults: FaultList) -> None:
    """A pair is one high and one low prompt of one trait and set."""
    for (trait, prompt_set, pair, pole), place in seen.items():
        other = "low" if pole == "high" else "high"
        if (trait, prompt_set, pair, other) not in seen:
            faults.add(
                place.file,
                place.line,
                f"Pair {pair!r} has no {other} prompt.",
                "Give each pair one high and one low prompt, or leave the pair out.",
            )


def _note_mixed(name: str, first_at: Mapping[Prompt, PromptPlace], faults: FaultList) -> None:
    """Say where prompts of one trait and set are read in two ways, which a vector could read."""
    chats: dict[tuple[str, str], list[bool]] = {}
    for prompt in first_at:
        chats.setdefault((prompt.trait, prompt.prompt_set), []).append(bool(prompt.messages))
    for (trait, prompt_set), own in chats.items():
        if any(own) and not all(own):
            faults.note(
                name,
                None,
                f"{own.count(False)} of {len(own)} prompts of trait {trait!r} (set {prompt_set!r}) "
                "have no chat and are read as plain text, the others in the chat template.",
                "Give all of them messages, or none: else the vector may read the template.",
            )


def _note_unmarked_pairs(
    name: str, first_at: Mapping[Prompt, PromptPlace], faults: FaultList
) -> None:
    """Say where the prompts of a trait and set look like pairs and none is marked as one.

    As a pair count one high and one low prompt that alone answer the same messages of the user, or
    alone begin with the same few words.
    """
    sets: dict[tuple[str, str], list[Prompt]] = {}
    for prompt in first_at:
        sets.setdefault((prompt.trait, prompt.prompt_set), []).append(prompt)
    for (trait, prompt_set), own in sets.items():
        if any(prompt.pair is not None for prompt in own):
            continue
        beginnings: dict[tuple[str, ...], list[Pole]] = {}
        for prompt in own:
            asked = tuple(turn.content for turn in prompt.messages if turn.role == "user")
            words = tuple(prompt.text.split()[:_SAME_WORDS])
            if asked or len(words) == _SAME_WORDS:
                beginnings.setdefault(asked or words, []).append(prompt.pole)
        alike = sum(sorted(poles) == ["high", "low"] for poles in beginnings.values())
        fewest = min(sum(prompt.pole == pole for prompt in own) for pole in POLES)
        if alike >= max(_LEAST_ALIKE, fewest / 2):
            faults.note(
                name,
                None,
                f"{alike} high prompts of trait {trait!r} (set {prompt_set!r}) each answer or "
                "begin as one low prompt does, and no prompts are marked as pairs.",
                "If they were written as pairs, give both the same `pair`: else held-out AUROC, d′ "
                "and split-half stability come out too low.",
            )


def _check_poles(name: str, first_at: Mapping[Prompt, PromptPlace], faults: FaultList) -> None:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for prompt in first_at:
        poles = counts.setdefault((prompt.trait, prompt.prompt_set), dict.fromkeys(POLES, 0))
        poles[prompt.pole] += 1
    for (trait, prompt_set), poles in counts.items():
        for pole, count in poles.items():
            if count < LEAST_PER_POLE:
                only = "has only one pole: it" if count == 0 else "is too small: it"
                faults.add(
                    name,
                    None,
                    f"Trait {trait!r} (set {prompt_set!r}) {only} has {count} {pole} prompts.",
                    f"Give at least {LEAST_PER_POLE} prompts for each pole.",
                )

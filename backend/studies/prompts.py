"""Rows of prompts.* as prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from backend.studies.faults import FaultList
from backend.studies.tables import Row, check_columns, name_of, text_of
from backend.types import POLES, Pole, Prompt

LEAST_PER_POLE = 2


@dataclass(frozen=True)
class Place:
    """Where a prompt stands. Attributes: file (or field of a form) and line, from 1."""

    file: str
    line: int


def read_prompts(name: str, rows: Sequence[Row], faults: FaultList) -> list[Prompt]:
    """The prompts of a file.

    Args:
        name: file name.
        rows: its records.
        faults: told of everything wrong.
    """
    return check_prompts(name, place_prompts(name, rows, faults), faults)


def place_prompts(name: str, rows: Sequence[Row], faults: FaultList) -> list[tuple[Prompt, Place]]:
    """Every readable prompt of a file with its place, before prompts are compared.

    Args:
        name: file name.
        rows: its records.
        faults: told of rows that are no prompt.
    """
    good = check_columns(name, rows, ("trait", "pole", "text"), ("prompt_set", "pair"), faults)
    found = [(_prompt(name, row, faults), row.line) for row in good]
    return [(prompt, Place(name, line)) for prompt, line in found if prompt is not None]


def check_prompts(
    name: str, placed: Sequence[tuple[Prompt, Place]], faults: FaultList
) -> list[Prompt]:
    """The prompts in order, after seeing that none is repeated and that both poles are there.

    Args:
        name: what the prompts stand in as a whole, for faults that have no line.
        placed: prompts and where each stands.
        faults: told of everything wrong.
    """
    first_at: dict[Prompt, Place] = {}
    for prompt, place in placed:
        if prompt in first_at:
            faults.add(
                place.file,
                place.line,
                f"The same prompt stands on {_where(first_at[prompt], place)}.",
                "Remove one of them.",
            )
            continue
        first_at[prompt] = place
    _check_opposite(first_at, faults)
    _check_pairs(first_at, faults)
    _check_poles(name, first_at, faults)
    return list(first_at)


def _where(place: Place, seen_from: Place) -> str:
    """A place in words: its line, and its file where that is another one."""
    return f"line {place.line}" + ("" if place.file == seen_from.file else f" of {place.file}")


def _prompt(name: str, row: Row, faults: FaultList) -> Prompt | None:
    trait = text_of(name, row, "trait", faults)
    text = text_of(name, row, "text", faults)
    pole = row.values["pole"]
    if pole not in POLES:
        faults.add(name, row.line, f"Unknown pole {pole!r}.", "Write high or low.")
        return None
    prompt_set = "default"
    if row.values.get("prompt_set") is not None:
        prompt_set = text_of(name, row, "prompt_set", faults) or ""
    pair: str | None = None
    if row.values.get("pair") is not None:
        pair = name_of(name, row, "pair", faults)
        if pair is None:
            return None
    if trait is None or text is None or not prompt_set:
        return None
    return Prompt(trait, cast(Pole, pole), text, prompt_set, pair)


def _check_opposite(first_at: Mapping[Prompt, Place], faults: FaultList) -> None:
    for prompt, place in first_at.items():
        opposite = Prompt(prompt.trait, "low", prompt.text, prompt.prompt_set)
        if prompt.pole == "high" and opposite in first_at:
            low = first_at[opposite]
            faults.add(
                low.file,
                low.line,
                f"The same text is the high pole on {_where(place, low)}.",
                "A text can show only one pole of a trait.",
            )


def _check_pairs(first_at: Mapping[Prompt, Place], faults: FaultList) -> None:
    """A pair is one high and one low prompt of one trait and set."""
    seen: dict[tuple[str, str, str, str], Place] = {}
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
    for (trait, prompt_set, pair, pole), place in seen.items():
        other = "low" if pole == "high" else "high"
        if (trait, prompt_set, pair, other) not in seen:
            faults.add(
                place.file,
                place.line,
                f"Pair {pair!r} has no {other} prompt.",
                "Give each pair one high and one low prompt, or leave the pair out.",
            )


def _check_poles(name: str, first_at: Mapping[Prompt, Place], faults: FaultList) -> None:
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

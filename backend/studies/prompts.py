"""Rows of prompts.* as prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from backend.studies.faults import FaultList
from backend.studies.tables import Row, check_columns, text_of
from backend.types import POLES, Pole, Prompt

LEAST_PER_POLE = 2


def read_prompts(name: str, rows: Sequence[Row], faults: FaultList) -> list[Prompt]:
    """The prompts of a file.

    Args:
        name: file name.
        rows: its records.
        faults: told of everything wrong.
    """
    good = check_columns(name, rows, ("trait", "pole", "text"), ("prompt_set",), faults)
    first_at: dict[Prompt, int] = {}
    for row in good:
        prompt = _prompt(name, row, faults)
        if prompt is None:
            continue
        if prompt in first_at:
            faults.add(
                name, row.line, f"The same prompt stands on line {first_at[prompt]}.",
                "Remove one of them.",
            )  # fmt: skip
            continue
        first_at[prompt] = row.line
    _check_opposite(name, first_at, faults)
    _check_poles(name, first_at, faults)
    return list(first_at)


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
    if trait is None or text is None or not prompt_set:
        return None
    return Prompt(trait=trait, pole=cast(Pole, pole), text=text, prompt_set=prompt_set)


def _check_opposite(name: str, first_at: Mapping[Prompt, int], faults: FaultList) -> None:
    for prompt, line in first_at.items():
        opposite = Prompt(prompt.trait, "low", prompt.text, prompt.prompt_set)
        if prompt.pole == "high" and opposite in first_at:
            faults.add(
                name, first_at[opposite], f"The same text is the high pole on line {line}.",
                "A text can show only one pole of a trait.",
            )  # fmt: skip


def _check_poles(name: str, first_at: Mapping[Prompt, int], faults: FaultList) -> None:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for prompt in first_at:
        poles = counts.setdefault((prompt.trait, prompt.prompt_set), dict.fromkeys(POLES, 0))
        poles[prompt.pole] += 1
    for (trait, prompt_set), poles in counts.items():
        for pole, count in poles.items():
            if count < LEAST_PER_POLE:
                only = "has only one pole: it" if count == 0 else "is too small: it"
                faults.add(
                    name, None,
                    f"Trait {trait!r} (set {prompt_set!r}) {only} has {count} {pole} prompts.",
                    f"Give at least {LEAST_PER_POLE} prompts for each pole.",
                )  # fmt: skip

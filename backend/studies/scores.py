"""Scores out of a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backend.studies.faults import FaultList


def read_scores(
    name: str,
    line: int,
    raw: Mapping[str, Any],
    score_range: tuple[float, float],
    faults: FaultList,
) -> dict[str, float]:
    """Trait -> score; an empty value means that the response was not judged on the trait.

    Args:
        name: file name.
        line: line of the row.
        raw: trait -> value as it stands in the file.
        score_range: lowest and highest allowed score.
        faults: told of everything wrong.
    """
    low, high = score_range
    scores: dict[str, float] = {}
    for trait, value in raw.items():
        if value is None:
            continue
        number = _number(value)
        if number is None:
            faults.add(
                name,
                line,
                f"The score of {trait!r} is {value!r}, not a number.",
                f"Write a number from {low:g} to {high:g}, or leave it empty.",
            )
        elif not low <= number <= high:
            faults.add(
                name,
                line,
                f"The score of {trait!r} is {number:g}, outside {low:g} to {high:g}.",
                "Mend the score, or set score_range in study.json.",
            )
        else:
            scores[trait] = number
    return scores


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

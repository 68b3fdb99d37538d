"""Scores out of a row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backend.studies.faults import FaultList, shown
from backend.studies.limits import MOST_SCORE

# Python reads more as numbers, such as 1_0 or digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# How tables of text say that there is no value; any case, white space around it left out.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
_LONGEST = 60
# Where a study says which scores are possible.
RANGE_AT = "score_range in study.json"


def read_scores(
    name: str,
    line: int,
    raw: Mapping[str, Any],
    score_range: tuple[float, float],
    faults: FaultList,
    range_at: str = RANGE_AT,
    *,
    refusals: bool = False,
) -> dict[str, float]:
    """Trait -> score; an empty value means that the response was not judged on the trait.

    Args:
        name: file name.
        line: line of the row.
        raw: trait -> value as it stands in the file.
        score_range: lowest and highest allowed score.
        faults: told of everything wrong.
        range_at: where the range is set, for people; empty where it is that of a tool.
        refusals: whether a text without any digit, and NaN, say that there is none too, as where
            a judge has refused.
    """
    low, high = score_range
    scores: dict[str, float] = {}
    for trait, value in raw.items():
        if is_missing(value) or (refusals and _is_refusal(value)):
            if isinstance(value, str) and value.strip():
                faults.note(
                    name,
                    line,
                    f"The score of {trait!r} is {{}}: read as not judged.",
                    "Write a number if there is one.",
                    shown(value),
                )
            continue
        number = read_number(value)
        if number is None and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            large = abs(float(value)) > MOST_SCORE
            faults.add(
                name,
                line,
                f"The score of {trait!r} is {{}}, a number too {'large' if large else 'long'} to "
                "be read.",
                f"Write a number from {low:g} to {high:g} with at most {_LONGEST} characters.",
                shown(value.strip()),
            )
        elif number is None:
            faults.add(
                name,
                line,
                f"The score of {trait!r} is {{}}, not a number.",
                f"Write a number from {low:g} to {high:g} alone, with a decimal point if it needs "
                "one (8.5), or leave it empty.",
                shown(value),
            )
        elif not low <= number <= high:
            faults.add(
                name,
                line,
                f"The score of {trait!r} is {{}}, outside {low:g} to {high:g}.",
                f"Correct the score, or set {range_at}." if range_at else "Correct the score.",
                f"{number:g}",
            )
        else:
            scores[trait] = number
    return scores


def is_missing(value: object) -> bool:
    """Whether a value says that there is no score."""
    return value is None or (
        isinstance(value, str) and len(value) <= _LONGEST and value.strip().lower() in MISSING
    )


def _is_refusal(value: object) -> bool:
    """Whether a judge has given no score; a text with a digit is a score in another spelling."""
    if isinstance(value, str):
        return not any(map(str.isdigit, value))
    return isinstance(value, float) and math.isnan(value)


def read_number(value: object) -> float | None:
    """A score as a number; None where it is none, or not finite. Args: as it stands in the file."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str) and not (len(value) <= _LONGEST and _NUMBER.fullmatch(value.strip())):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond any float
        return None
    return number if math.isfinite(number) else None

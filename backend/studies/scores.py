"""Scores out of a row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from backend.studies.faults import FaultList, shown
from backend.studies.limits import MOST_SCORE

# Python reads more as numbers, such as 1_0 or digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# How tables of text say that there is no value; any case, white space around it left out.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
_LONGEST = 60
# A point that may as well mark thousands, as in much of Europe.
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+\s*")
_POINTS_REMEDY = (
    "Write thousands without a point (1500), and a decimal so that it can be nothing else (1.5)."
)
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


def unsure_points(cells: Iterable[object]) -> frozenset[str]:
    """The scores of a column whose point may mark thousands (1.500); none where another's cannot.

    Args:
        cells: all scores of the column, as they stand in the file.
    """
    points = {cell for cell in cells if isinstance(cell, str) and "." in cell}
    unsure = frozenset(filter(_THOUSANDS.fullmatch, points))
    certain = any(read_number(cell) is not None for cell in points - unsure)
    return frozenset() if certain else unsure


def add_unsure_point(name: str, line: int, trait: str, cell: str, faults: FaultList) -> None:
    """Refuse a score of :func:`unsure_points`. Args: as for :func:`read_scores`, and the score."""
    what = f"The score of {trait!r} is {{}}, whose point may mark thousands or decimals."
    faults.add(name, line, what, _POINTS_REMEDY, shown(cell))


def refuse_unsure_points(
    name: str,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    score_range: tuple[float, float],
    faults: FaultList,
) -> set[tuple[int, str]]:
    """Tell of scores that are possible with a point of decimals and with one of thousands.

    Three decimals throughout (1.250, 7.125) are decimals if any of them is out of range as a
    number of thousands; beside whole numbers (1.500, 750), which three decimals never are, only if
    all of them are.

    Args:
        name: file name.
        rows: the line of each row, and its scores by trait as they stand in the file.
        score_range: lowest and highest allowed score.
        faults: told of them.

    Returns:
        Line and trait of each.
    """
    low, high = score_range
    columns: dict[str, list[tuple[int, str]]] = {}
    for line, raw in rows:
        for trait, value in raw.items():
            if isinstance(value, str):
                columns.setdefault(trait, []).append((line, value))
    refused: set[tuple[int, str]] = set()
    for trait, cells in columns.items():
        unsure = unsure_points(value for _, value in cells)
        inside = [low <= float(cell.replace(".", "")) <= high for cell in unsure]
        whole = any("." not in value and read_number(value) is not None for _, value in cells)
        if not (any(inside) if whole else inside and all(inside)):
            continue
        for line, value in cells:
            if value in unsure:
                add_unsure_point(name, line, trait, value, faults)
                refused.add((line, trait))
    return refused


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

"""Tables of the Runs page: a forecast, and a comparison of two runs."""

from __future__ import annotations

from collections.abc import Callable

from backend.core.estimate import Estimate
from backend.core.statistics.significance import significance
from backend.views.runs.comparison import Comparison, PoleDifference, TraitDifference
from backend.views.runs.forecast import ExtractionForecast, Range
from backend.views.runs.words import CHANGES
from backend.views.shared.numbers import p_text, r_text

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def forecast_rows(found: ExtractionForecast) -> list[dict[str, str]]:
    """What an extraction will take, with the basis of every number.

    Args:
        found: the forecast.
    """
    free_memory = "" if found.free_memory is None else f"; {size(found.free_memory)} are free here"
    rows = [
        ("texts to extract", *_texts(found)),
        ("tokens", _between(found.tokens, count), found.tokens.basis),
        ("forward passes", _between(found.forward, duration), found.forward.basis),
        ("metrics after that", _between(found.derive, duration), found.derive.basis),
        ("memory", _between(found.memory, size), found.memory.basis + free_memory),
        (
            "disk",
            _between(found.disk, size),
            f"{found.disk.basis}; {size(found.free_disk)} are free",
        ),
    ]
    return [{"what": what, "estimate": value, "basis": basis} for what, value, basis in rows]


def _texts(found: ExtractionForecast) -> tuple[str, str]:
    """How many texts are extracted, and why not the others."""
    every = f"{found.texts:,}"
    if found.reuse is None:
        return every, "prompts and responses of the study; earlier runs are looked through at start"
    if not found.reuse.taken:
        return every, "prompts and responses of the study; none is taken from an earlier run"
    said = found.reuse.sentence
    if not found.reuse.left and found.derive.high == 0:
        said += ". Nothing would be new: this makes a copy of a run that is there"
    return f"{found.reuse.left:,} of {every}", said


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(amount: float) -> str:
    """Bytes in decimal units with three digits."""
    power = 0
    while amount >= 1000 and power + 1 < len(_UNITS):
        amount, power = amount / 1000, power + 1
    return f"{amount:.3g} {_UNITS[power]}"


def count(amount: float) -> str:
    """A whole number with its thousands apart."""
    return f"{amount:,.0f}"


def _between(found: Range, words: Callable[[float], str]) -> str:
    if found.low is None:
        return "unknown"
    if found.high is None:
        return f"at least {words(found.low)}"
    low, high = words(found.low), words(found.high)
    return low if low == high else f"{low} to {high}"


def r_rows(found: Comparison) -> list[dict[str, str | int]]:
    """r of both sides and their difference as a table.

    Args:
        found: the comparison.
    """
    return [
        {
            "trait": _name(trait),
            "layer A": str(trait.layers[0]),
            "r of A": r_text(trait.first, count=False),
            "layer B": str(trait.layers[1]),
            "r of B": r_text(trait.second, count=False),
            "B − A (Zou)": r_text(trait.difference, count=False),
            "p (Williams)": p_text(trait.difference.p),
            "adjusted p": p_text(trait.adjusted_p),
            "matched": trait.matched,
            "cases of A, B": f"{trait.cases[0]}, {trait.cases[1]}",
            "change": "unchanged, not tested"
            if trait.unchanged
            else CHANGES[significance(trait.difference, trait.adjusted_p)],
        }
        for trait in found.traits
    ]


def prompt_rows(trait: TraitDifference) -> list[dict[str, str]]:
    """The prompts of a trait that were removed and added as a table.

    Args:
        trait: of a comparison.
    """
    return [
        {"change": sign, "pole": change.pole, "prompt": text}
        for change in trait.prompts
        for sign, texts in (("− removed", change.removed), ("+ added", change.added))
        for text in texts
    ]


def pole_rows(found: Comparison, measure: str) -> list[dict[str, str]]:
    """One measure of the prompts of every trait and pole as a table.

    Args:
        found: the comparison.
        measure: title of a measure, as in PoleDifference.
    """
    return [
        _pole_row(trait, pole)
        for trait in found.traits
        for pole in trait.poles
        if not trait.unchanged and pole.measure == measure
    ]


def _pole_row(trait: TraitDifference, pole: PoleDifference) -> dict[str, str]:
    first, second = pole.prompts
    return {
        "trait": _name(trait),
        "pole": pole.pole,
        "layers A, B": f"{trait.layers[0]}, {trait.layers[1]}",
        "A": _number(pole.first),
        "B": _number(pole.second),
        "B − A, 95% interval": _interval(pole.difference),
        "prompts": f"{first}, the same" if pole.paired else f"{first} and {second}, drawn apart",
    }


def _interval(found: Estimate) -> str:
    if found.value is None:
        return f"undefined: {found.reason}"
    shown = f"{found.value:+.3g}"
    if found.low is None or found.high is None:
        return f"{shown} (no interval: {found.reason})"
    return f"{shown} [{found.low:+.3g}, {found.high:+.3g}]"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"


def _name(trait: TraitDifference) -> str:
    return trait.trait.replace("_", " ")

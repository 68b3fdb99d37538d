"""A forecast as the rows of a table."""

from __future__ import annotations

from collections.abc import Callable

from backend.views.runs.forecast import Forecast, Range

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def forecast_rows(found: Forecast) -> list[dict[str, str]]:
    """What an extraction will take, with the basis of every number.

    Args:
        found: the forecast.
    """
    free_memory = "" if found.free_memory is None else f"; {size(found.free_memory)} are free here"
    rows = [
        ("texts", f"{found.texts:,}", "prompts and responses of the study"),
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

"""Numbers as people read them."""

from __future__ import annotations

from backend.core.estimate import Estimate


def estimate_text(found: Estimate) -> str:
    """A number as people read it: value, interval and p, or why there is none."""
    if found.value is None:
        return f"undefined: {found.reason}"
    parts = [_number(found.value)]
    if found.low is not None and found.high is not None:
        parts.append(f"[{_number(found.low)}, {_number(found.high)}]")
    if found.p is not None:
        parts.append("p < 0.0001" if found.p < 1e-4 else f"p = {found.p:.4f}")
    if found.reason:
        parts.append(f"({found.reason})")
    return "  ".join(parts)


def r_text(found: Estimate, *, count: bool = True) -> str:
    """A correlation as people read it: r, interval and n, or why there is none.

    Args:
        found: a correlation, or a difference of two.
        count: whether n is said too.
    """
    if found.value is None:
        return f"undefined: {found.reason}"
    shown = f"{found.value:+.2f}"
    if found.low is not None and found.high is not None:
        shown += f" [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{shown}, {count_text(found)}" if count else shown


def count_text(found: Estimate) -> str:
    """How many cases a correlation is over; of dependent ones also how many they are worth."""
    if found.groups is None:
        return f"n = {found.n}"
    worth = "" if found.effective is None else f", worth {found.effective:.0f} independent ones"
    return f"n = {found.n} in {found.groups} groups{worth}"


def ranges(layers: tuple[int, ...]) -> str:
    """Ascending layers as people write them, such as ``1-3, 5``."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def layers_option(layers: tuple[int, ...]) -> str:
    """Ascending layers as ``--layers`` takes them, such as ``1-3,5``."""
    return ranges(layers).replace(" ", "")


def p_text(p: float | None) -> str:
    """A p as people read it; a dash where there is none."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"

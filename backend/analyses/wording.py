"""Numbers as people read them."""

from __future__ import annotations

from backend.statistics.interval import Estimate


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


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"

"""What is said beside the conversations of a trait."""

from __future__ import annotations

from backend.views.evidence.compute import Evidence, EvidenceCase
from backend.views.shared.numbers import r_text

ORDERS = {
    "wrong": "most wrong",
    "above": "score above the line",
    "below": "score below the line",
    "study": "study order",
}
HOW = (
    "Every point is a conversation: click one to read it. The residual is the distance of the "
    "score from the regression line; it is largest where the vector is most wrong."
)


def title(found: Evidence) -> str:
    """Which vector, and its r.

    Args:
        found: the cases.
    """
    name = found.trait.replace("_", " ")
    return f"{name}, layer {found.layer}, {found.label}: r {r_text(found.r)}"


def place_text(case: EvidenceCase, place: int, count: int) -> str:
    """Which case of how many, and how far the score is from the line.

    Args:
        case: the open one.
        place: its number in the order, from 0.
        count: of all.
    """
    said = f"{place + 1} of {count}"
    if case.residual is None:
        return f"{said}: no regression line, so no residual"
    side = "above" if case.residual > 0 else "below"
    return f"{said}: score {abs(case.residual):.2f} {side} the line"


def number(value: float) -> str:
    """A projection, a score or a drift: three digits and a sign."""
    return f"{value:+.3g}"

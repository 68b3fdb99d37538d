"""What is said beside the scorecard, on its page and in its section."""

from __future__ import annotations

from backend.views.scorecard.compute import ScorecardCell

GRID = (
    "Orange cells predict the behaviour, blue ones its opposite, grey ones nothing; the bracket is "
    "the 95% interval."
)
BEST_LAYER = (
    "The layer of each cell is the one with the highest r, so r is flattered by the choice, and "
    "its interval and p do not allow for it."
)
INTERVALS = (
    "A cell is only as good as its interval: one that reaches over a dotted threshold could as "
    "well have the next status."
)


def interval_text(cell: ScorecardCell) -> str:
    """The 95% interval of a cell's r; ``no interval`` where r has none."""
    c = cell.correlation
    if c.low is None or c.high is None:
        return "no interval"
    return f"[{c.low:+.2f}, {c.high:+.2f}]"

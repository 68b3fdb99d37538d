"""What is said beside the scorecard, on its page and in its section."""

from __future__ import annotations

from collections.abc import Iterable

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


# Difference of two r that is worth a sentence where nothing says how sure they are.
_FAR = 0.1


def responders_differ(cell: ScorecardCell) -> bool:
    """Whether r over all responders together lies outside the interval of r within them, or far
    from it where there is no interval."""
    together, within = cell.pooled.value, cell.correlation
    if together is None or within.value is None:
        return False
    if within.low is None or within.high is None:
        return abs(together - within.value) > _FAR
    return not within.low <= together <= within.high


def responders_sentence(cells: Iterable[ScorecardCell]) -> str | None:
    """What is said where responders differ so that r over all of them would mislead; None where
    it would not.

    Args:
        cells: of the grid.
    """
    misled = [cell for cell in cells if responders_differ(cell)]
    if not misled:
        return None
    worst = max(misled, key=lambda c: abs((c.pooled.value or 0.0) - (c.correlation.value or 0.0)))
    name = worst.trait.replace("_", " ")
    count = "1 cell" if len(misled) == 1 else f"{len(misled)} cells"
    return (
        f"In {count} the responders differ from each other more than the vector reads within any "
        f"of them: of {name}, r over all responders together is {worst.pooled.value:+.2f}, within "
        f"them {worst.correlation.value:+.2f}. Only the r within responders is judged."
    )


def interval_text(cell: ScorecardCell) -> str:
    """The 95% interval of a cell's r; ``no interval`` where r has none."""
    c = cell.correlation
    if c.low is None or c.high is None:
        return "no interval"
    return f"[{c.low:+.2f}, {c.high:+.2f}]"

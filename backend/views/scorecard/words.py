"""What is said beside the scorecard, on its page and in its section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backend.core.status import Status
from backend.settings import StatusThresholds
from backend.store.run_values import RunSummary
from backend.views.scorecard.compute import Scorecard, ScorecardCell
from backend.views.shared.style import STATUS_SIGNS

R = {
    "drift": "r: when a response moves along the vector from the first turn to the last, does its "
    "judged score move too?",
    "level": "r: where a response lies further along the vector, is its judged score higher? The "
    "responses of this study have no turns, so r is over **levels**, not drifts.",
    "none": "This study has no scored responses, so there is no r. Its prompts can still be "
    "looked at.",
}
GRID = (
    "Orange: the projection predicts the behaviour; blue: its opposite; grey: nothing. Brackets: "
    "95% interval."
)
BEST_LAYER = (
    "Each cell shows its layer with the highest r. That choice inflates r, and interval and p "
    "ignore it."
)
INTERVALS = "If an interval crosses a threshold, the status could also be the neighbouring one."


def count_line(counts: Mapping[Status, int]) -> str:
    """How many traits of a run work, such as ``3 of 8 work``.

    Args:
        counts: status -> number of traits.
    """
    return f"{counts['working']} of {sum(counts.values())} work"


def answer(card: Scorecard, runs: Sequence[RunSummary], labels: Sequence[str]) -> str:
    """Which traits work where, in a sentence: a count per run, and where one differs from others.

    Args:
        card: the numbers.
        runs: in order.
        labels: name of each run.
    """
    if card.target == "none":
        return "No scored responses: nothing can be said about r."
    counts = [
        f"{label} {card.counts[run.run_id]['working']}/{sum(card.counts[run.run_id].values())}"
        for run, label in zip(runs, labels, strict=True)
    ]
    return f"Working traits: {', '.join(counts)}."


def held_out_answer(card: Scorecard, runs: Sequence[RunSummary], labels: Sequence[str]) -> str:
    """How many traits of each run work without the luck of choosing their layer, in a sentence;
    empty where no layer was chosen.

    Args:
        card: the numbers.
        runs: in order.
        labels: name of each run.
    """
    counts = [
        f"{label} {works}/{known}"
        for run, label in zip(runs, labels, strict=True)
        for works, known in [card.held_out.get(run.run_id, (0, 0))]
        if known
    ]
    if not counts:
        return ""
    return f"By r on scenarios that their layer was not chosen on: {', '.join(counts)}."


def not_shown(run: str) -> str:
    """That the run of the sidebar is not among those shown.

    Args:
        run: its name.
    """
    return f"The sidebar's run, {run}, is not shown here: choose it under Runs shown."


def legend(thresholds: StatusThresholds) -> str:
    """What the signs of the statuses mean.

    Args:
        thresholds: where they begin.
    """
    close, working = thresholds.close, thresholds.working
    signs = STATUS_SIGNS
    return (
        f"{signs['working']} working: r > {working:g}   {signs['close']} close: {close:g} to "
        f"{working:g}   {signs['failed']} failed: r < {close:g}"
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
        f"In {count}, r over all responders together is misleading, because the responders differ. "
        f"Example: {name}, r = {worst.pooled.value:+.2f} over all responders together, "
        f"{worst.correlation.value:+.2f} within responders. The status uses r within responders."
    )


def interval_text(cell: ScorecardCell) -> str:
    """The 95% interval of a cell's r; ``no interval`` where r has none."""
    c = cell.correlation
    if c.low is None or c.high is None:
        return "no interval"
    return f"[{c.low:+.2f}, {c.high:+.2f}]"

"""Which traits work on which model (study, "Current Scorecard")."""

from __future__ import annotations

from collections.abc import Sequence

from backend.analyses.cells import CellRow, models_of
from backend.analyses.finding import Finding, Row, not_computable, plain
from backend.analyses.status import Status, count_statuses
from backend.settings import StatusThresholds

QUESTION = "Do the vectors work equally on every model?"
STATES: tuple[Status, ...] = ("working", "close", "failed")


def scorecard_finding(rows: Sequence[CellRow], thresholds: StatusThresholds) -> Finding:
    """Counts of working, close and failed traits per model.

    Args:
        rows: the cells at their best layers.
        thresholds: where a status changes.
    """
    if not rows:
        return not_computable("scorecard", QUESTION, "there are no cells")
    lines, answers, working = [], [], set()
    for model in models_of(rows):
        rs = [row.r for row in rows if row.model == model]
        counts = count_statuses(rs, thresholds)
        for state in STATES:
            lines.append(Row(f"{model}: {state}", plain(counts[state], len(rs))))
        answers.append(f"{model} {counts['working']}/{len(rs)}")
        working.add(counts["working"] / len(rs))
    several = len(models_of(rows)) > 1
    return Finding(
        "scorecard",
        QUESTION,
        "ruled out" if len(working) > 1 else "undetermined",
        f"Working at their best layer: {', '.join(answers)}."
        + ("" if several else " One model alone cannot be compared."),
        "A count hides how close each r is to the threshold, and the best of several layers "
        "flatters every r: read it beside the layer test.",
        tuple(lines),
    )

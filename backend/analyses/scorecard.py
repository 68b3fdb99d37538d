"""Which traits work on which model (study, "Current Scorecard")."""

from __future__ import annotations

from collections.abc import Sequence

from backend.analyses.cells import CellRow, models_of
from backend.analyses.finding import Finding, Row, plain
from backend.settings import StatusThresholds


def scorecard_counts(
    rows: Sequence[CellRow], thresholds: StatusThresholds
) -> dict[str, tuple[int, int, int]]:
    """Model -> working, close and failed traits."""
    counts: dict[str, tuple[int, int, int]] = {}
    for model in models_of(rows):
        rs = [row.r for row in rows if row.model == model]
        working = sum(r > thresholds.working for r in rs)
        failed = sum(r < thresholds.close for r in rs)
        counts[model] = (working, len(rs) - working - failed, failed)
    return counts


def scorecard_finding(
    rows: Sequence[CellRow], thresholds: StatusThresholds, published: dict[str, str] | None = None
) -> Finding:
    """Counts of working, close and failed traits per model.

    Args:
        rows: the cells at their best layers.
        thresholds: where a status changes.
        published: model -> the counts a study printed.
    """
    counts = scorecard_counts(rows, thresholds)
    lines = tuple(
        Row(f"{model}: working / close / failed", plain(float(w), w + c + f),
            (published or {}).get(model), f"{w} / {c} / {f} of {w + c + f}")
        for model, (w, c, f) in counts.items()
    )  # fmt: skip
    differ = len({w for w, _, _ in counts.values()}) > 1
    return Finding(
        "scorecard",
        "Do the vectors work on every model?",
        "ruled out" if differ else "undetermined",
        "; ".join(f"{model} {w}/{w + c + f} working" for model, (w, c, f) in counts.items()),
        "A count of r above a threshold hides how close each r is; the best of several layers "
        "flatters every r.",
        lines,
    )


def mean_r(rows: Sequence[CellRow]) -> float:
    """Mean Pearson r over the cells."""
    return sum(row.r for row in rows) / len(rows)

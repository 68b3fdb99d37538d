"""The scorecard as tables: counts and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.status import STATUSES
from backend.settings import StatusThresholds
from backend.store.run_values import RunSummary
from backend.views.scorecard.compute import Scorecard, ScorecardCell
from backend.views.scorecard.words import interval_text
from backend.views.shared.style import STATUS_SIGNS


def count_rows(
    card: Scorecard,
    runs: Sequence[RunSummary],
    labels: Sequence[str],
    thresholds: StatusThresholds,
) -> list[dict[str, str | int]]:
    """How many traits have which status, per run.

    Args:
        card: the numbers.
        runs: one row each.
        labels: name of each run.
        thresholds: where the statuses begin, named in the columns.
    """
    limits = {
        "working": f"r > {thresholds.working:g}",
        "close": f"{thresholds.close:g} to {thresholds.working:g}",
        "failed": f"r < {thresholds.close:g}",
        "undefined": "no r",
    }
    rows: list[dict[str, str | int]] = []
    for run, label in zip(runs, labels, strict=True):
        counts = card.counts[run.run_id]
        row: dict[str, str | int] = {"run": label}
        for status in STATUSES:
            row[f"{STATUS_SIGNS[status]} {status} ({limits[status]})"] = counts[status]
        rows.append(row)
    return rows


def number_rows(
    card: Scorecard, runs: Sequence[RunSummary], traits: Sequence[str], labels: Sequence[str]
) -> list[dict[str, object]]:
    """Every number of the grid, a cell a row; an undefined one as its reason.

    Args:
        card: the numbers.
        runs: in order.
        traits: in order; cells of one trait stand together.
        labels: name of each run.
    """
    return [
        {"trait": cell.trait.replace("_", " "), "run": name} | _numbers(cell, card.target)
        for trait in traits
        for run, name in zip(runs, labels, strict=True)
        if (cell := card.cells.get((run.run_id, trait))) is not None
    ]


def _numbers(cell: ScorecardCell, target: str) -> dict[str, object]:
    c = cell.correlation
    over = f"r over {target}s"
    p = "undefined" if c.p is None else f"{c.p:.2g}"
    of = "given" if cell.of_layers == 1 else f"best of {cell.of_layers}"
    return {
        over: f"undefined: {c.reason}" if c.value is None else f"{c.value:+.3f}",
        "95% interval": interval_text(cell),
        "n": c.n if c.groups is None else f"{c.n} ({c.groups} groups)",
        "worth, in independent cases": c.n if c.effective is None else round(c.effective),
        "p at this layer alone": p,
        "layer": "none" if cell.layer is None else f"{cell.layer} ({of})",
        "status": cell.status,
    }

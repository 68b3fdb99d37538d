"""The numbers of each cell (trait, prompt set, layer) of a run."""

from __future__ import annotations

from dataclasses import dataclass

from backend.geometry.measure import Measure
from backend.geometry.registry import METRICS
from backend.settings import Settings
from backend.statistics.correlation import Correlation
from backend.store.run_files import reading_run
from backend.vectors.methods import MEAN_DIFFERENCE

__all__ = ["METHOD", "METRICS", "Cell", "CellKey", "cells"]

METHOD = MEAN_DIFFERENCE


@dataclass(frozen=True)
class CellKey:
    """Which cell of a run. Attributes: trait, prompt_set and layer."""

    trait: str
    prompt_set: str
    layer: int


@dataclass(frozen=True)
class Cell:
    """Metrics and r of one cell.

    Attributes:
        key: which cell.
        target: ``drift``, ``level`` or ``none``: what r is taken over.
        correlation: r with interval, p and n.
        metrics: every registered metric by name.
    """

    key: CellKey
    target: str
    correlation: Correlation
    metrics: dict[str, Measure]


def cells(settings: Settings, run_id: str, trait: str | None = None) -> tuple[Cell, ...]:
    """All cells of a run, by trait in the study's order, prompt set and layer.

    Args:
        settings: where the store is.
        run_id: a published run.
        trait: only this trait; None for all.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: its file is damaged.
    """
    with reading_run(settings, run_id) as connection:
        metric_rows = connection.execute(
            "SELECT trait, prompt_set, layer, name, value, reason FROM metrics"
            " WHERE ?::VARCHAR IS NULL OR trait = ?",
            [trait, trait],
        ).fetchall()
        rows = connection.execute(
            "SELECT c.trait, c.prompt_set, c.layer, c.target, c.n, c.r, c.low, c.high, c.p,"
            " c.reason FROM correlations c JOIN traits t USING (trait)"
            " WHERE c.method = ? AND (?::VARCHAR IS NULL OR c.trait = ?)"
            " ORDER BY t.position, c.prompt_set, c.layer",
            [METHOD, trait, trait],
        ).fetchall()
    metrics: dict[CellKey, dict[str, Measure]] = {}
    for name, prompt_set, layer, metric, value, reason in metric_rows:
        key = CellKey(name, prompt_set, layer)
        metrics.setdefault(key, {})[metric] = Measure(value, reason)
    found = []
    for name, prompt_set, layer, target, n, r, low, high, p, reason in rows:
        key = CellKey(name, prompt_set, layer)
        correlation = Correlation(n, r, low, high, p, reason)
        found.append(Cell(key, target, correlation, metrics[key]))
    return tuple(found)

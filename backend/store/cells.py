"""The numbers of each cell (trait, prompt set, layer) of a run."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.geometry.measure import Measure
from backend.core.geometry.registry import METRICS
from backend.core.statistics.correlation import Correlation
from backend.core.vectors.controls import Control
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.settings import Settings
from backend.store.run_files import reading_run

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
        correlation: r with Fisher's interval, p and n.
        bootstrap: the same r with its BCa bootstrap interval over scenarios.
        rank: Spearman's rho with its interval.
        controls: kind (shuffled_labels, random_direction) -> how r compares with it.
        metrics: every registered metric by name.
    """

    key: CellKey
    target: str
    correlation: Correlation
    bootstrap: Estimate
    rank: Estimate
    controls: dict[str, Control]
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
            " c.reason, c.boot_low, c.boot_high, c.rho, c.rho_low, c.rho_high"
            " FROM correlations c JOIN traits t USING (trait)"
            " WHERE c.method = ? AND (?::VARCHAR IS NULL OR c.trait = ?)"
            " ORDER BY t.position, c.prompt_set, c.layer",
            [METHOD, trait, trait],
        ).fetchall()
        control_rows = connection.execute(
            "SELECT trait, prompt_set, layer, kind, draws, low, high, typical, p, reason"
            " FROM controls WHERE ?::VARCHAR IS NULL OR trait = ? ORDER BY kind",
            [trait, trait],
        ).fetchall()
    metrics: dict[CellKey, dict[str, Measure]] = {}
    for name, prompt_set, layer, metric, value, reason in metric_rows:
        key = CellKey(name, prompt_set, layer)
        metrics.setdefault(key, {})[metric] = Measure(value, reason)
    controls: dict[CellKey, dict[str, Control]] = {}
    for name, prompt_set, layer, kind, *values in control_rows:
        controls.setdefault(CellKey(name, prompt_set, layer), {})[kind] = Control(*values)
    found = []
    for name, prompt_set, layer, target, n, r, low, high, p, reason, *rest in rows:
        key = CellKey(name, prompt_set, layer)
        boot_low, boot_high, rho, rho_low, rho_high = rest
        found.append(
            Cell(
                key=key,
                target=target,
                correlation=Correlation(n, r, low, high, p, reason),
                bootstrap=Estimate(r, boot_low, boot_high, None, n, reason),
                rank=Estimate(rho, rho_low, rho_high, None, n, reason),
                controls=controls[key],
                metrics=metrics[key],
            )
        )
    return tuple(found)

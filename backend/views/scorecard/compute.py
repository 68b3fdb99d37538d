"""Which traits work on which run: the best layer's r per trait, and counts per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.status import STATUSES, Status, status_of
from backend.settings import Settings, StatusThresholds
from backend.store.run_values import CellResult, RunSummary

__all__ = ["STATUSES", "Scorecard", "ScorecardCell", "layer_to_show", "scorecard"]


@dataclass(frozen=True)
class ScorecardCell:
    """One trait of one run.

    Attributes:
        run_id: the run.
        trait: the trait.
        layer: the layer shown; None if r is undefined at every layer.
        of_layers: among how many layers it was the best; 1 if the layer was given.
        correlation: r at that layer with an interval that knows nothing of the choice of layer.
        status: by the thresholds.
    """

    run_id: str
    trait: str
    layer: int | None
    of_layers: int
    correlation: Estimate
    status: Status


@dataclass(frozen=True)
class Scorecard:
    """The grid of a study.

    Attributes:
        cells: (run id, trait) -> cell.
        counts: run id -> status -> number of traits.
        target: what r is taken over.
    """

    cells: dict[tuple[str, str], ScorecardCell]
    counts: dict[str, dict[Status, int]]
    target: str


def scorecard(
    settings: Settings, run_ids: Sequence[str], prompt_set: str, layer: int | None = None
) -> Scorecard:
    """The grid of some runs of one study.

    Args:
        settings: where the store is, and the thresholds.
        run_ids: the runs, one row each.
        prompt_set: which prompts the vectors are built from.
        layer: show this layer everywhere; None chooses the layer with the highest r per cell, as
            the study did.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    grid: dict[tuple[str, str], ScorecardCell] = {}
    counts: dict[str, dict[Status, int]] = {}
    target = "none"
    for run_id in run_ids:
        by_trait: dict[str, list[CellResult]] = {}
        for cell in cells(settings, run_id):
            if cell.key.prompt_set == prompt_set and layer in (None, cell.key.layer):
                by_trait.setdefault(cell.key.trait, []).append(cell)
                target = cell.target
        counts[run_id] = dict.fromkeys(STATUSES, 0)
        for trait, candidates in by_trait.items():
            chosen = _choose(run_id, trait, candidates, settings.thresholds)
            grid[run_id, trait] = chosen
            counts[run_id][chosen.status] += 1
    return Scorecard(grid, counts, target)


def layer_to_show(card: Scorecard, run: RunSummary, trait: str) -> int:
    """The layer of a cell of the grid; the run's middle one where r is undefined everywhere."""
    layers = run.record.layers
    cell = card.cells.get((run.record.run_id, trait))
    return layers[len(layers) // 2] if cell is None or cell.layer is None else cell.layer


def _choose(
    run_id: str, trait: str, candidates: Sequence[CellResult], thresholds: StatusThresholds
) -> ScorecardCell:
    defined = [cell for cell in candidates if cell.correlation.value is not None]
    if not defined:
        correlation = candidates[0].correlation
        return ScorecardCell(run_id, trait, None, len(candidates), correlation, "undefined")
    best = max(defined, key=lambda cell: (cell.correlation.value or 0.0, -cell.key.layer))
    return ScorecardCell(
        run_id=run_id,
        trait=trait,
        layer=best.key.layer,
        of_layers=len(candidates),
        correlation=best.correlation,
        status=status_of(best.correlation.value, thresholds),
    )

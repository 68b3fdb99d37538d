"""Which traits work on which run: the best layer's r per trait, and counts per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.status import STATUSES, Status, status_of
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.settings import StatusThresholds
from backend.store.run import Run
from backend.store.run_values import CorrelationRow, RunSummary

# How many columns can be read side by side.
MODELS, RUNS = 5, 3


@dataclass(frozen=True)
class ScorecardCell:
    """One trait of one run.

    Attributes:
        run_id: the run.
        trait: the trait.
        layer: the layer shown; None if r is undefined at every layer.
        of_layers: among how many layers it was the best; 1 if the layer was given.
        correlation: r within responders at that layer, with an interval that knows nothing of the
            choice of layer.
        pooled: r over all responders together.
        status: by the thresholds.
    """

    run_id: str
    trait: str
    layer: int | None
    of_layers: int
    correlation: Estimate
    pooled: Estimate
    status: Status


@dataclass(frozen=True)
class Scorecard:
    """The grid of a study.

    Attributes:
        cells: (run id, trait) -> cell.
        counts: run id -> status -> number of traits.
        target: what r is taken over; ``none`` where no cell is shown.
        held_out: run id -> how many traits work by the r of their best layer on scenarios that it
            was not chosen on, and of how many that r is known; runs without such a choice are not
            there.
    """

    cells: dict[tuple[str, str], ScorecardCell]
    counts: dict[str, dict[Status, int]]
    target: str
    held_out: dict[str, tuple[int, int]]


def scorecard(
    runs: Sequence[Run], prompt_set: str, layer: int | None, thresholds: StatusThresholds
) -> Scorecard:
    """The grid of some runs of one study, by the r of the mean difference.

    Args:
        runs: open runs, one column each.
        prompt_set: which prompts the vectors are built from.
        layer: show this layer everywhere; None chooses the layer with the highest r per cell, as
            the study did.
        thresholds: where r turns from failed to close to working.
    """
    grid: dict[tuple[str, str], ScorecardCell] = {}
    counts: dict[str, dict[Status, int]] = {}
    held_out: dict[str, tuple[int, int]] = {}
    target = "none"
    for run in runs:
        run_id = run.record.run_id
        by_trait: dict[str, list[CorrelationRow]] = {}
        for row in run.correlations(MEAN_DIFFERENCE, prompt_set=prompt_set, layer=layer):
            by_trait.setdefault(row.trait, []).append(row)
            target = row.target
        counts[run_id] = dict.fromkeys(STATUSES, 0)
        for trait, candidates in by_trait.items():
            chosen = _best(run_id, trait, candidates, thresholds)
            grid[run_id, trait] = chosen
            counts[run_id][chosen.status] += 1
        if layer is None and len(run.record.layers) > 1:
            rs = [row.held_out.value for row in run.best_layers(MEAN_DIFFERENCE, prompt_set)]
            known = [r for r in rs if r is not None]
            if known:
                works = sum(status_of(r, thresholds) == "working" for r in known)
                held_out[run_id] = works, len(known)
    return Scorecard(grid, counts, target, held_out)


def runs_differ(card: Scorecard) -> bool:
    """Whether some trait works on one run of a scorecard and not on another."""
    works: dict[str, set[bool]] = {}
    for (_, trait), cell in card.cells.items():
        if cell.status != "undefined":
            works.setdefault(trait, set()).add(cell.status == "working")
    return any(len(seen) > 1 for seen in works.values())


def newest_by_model(runs: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    """The newest run of every model, in the order of the runs.

    Args:
        runs: of one study, oldest first.
    """
    newest = {run.label: run.run_id for run in runs}
    return tuple(run for run in runs if newest[run.label] == run.run_id)


def runs_to_compare(runs: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    """Which runs of a study stand side by side unless others are chosen: the newest of every
    model, at most MODELS of them; of a study with one model its newest RUNS.

    Args:
        runs: of one study, oldest first.
    """
    models = newest_by_model(runs)
    return models[-MODELS:] if len(models) > 1 else tuple(runs)[-RUNS:]


def layer_to_show(card: Scorecard, run: RunSummary, trait: str) -> int:
    """The layer of a cell of the grid; the run's middle one where r is undefined everywhere."""
    cell = card.cells.get((run.run_id, trait))
    return run.middle_layer if cell is None or cell.layer is None else cell.layer


def _best(
    run_id: str, trait: str, candidates: Sequence[CorrelationRow], thresholds: StatusThresholds
) -> ScorecardCell:
    """The candidate with the highest r, the lowest layer among equals."""
    known = [(r, -row.layer, row) for row in candidates if (r := row.correlation.value) is not None]
    if not known:
        first = candidates[0]
        return ScorecardCell(
            run_id, trait, None, len(candidates), first.correlation, first.pooled, "undefined"
        )
    r, _, best = max(known, key=lambda found: found[:2])
    return ScorecardCell(
        run_id=run_id,
        trait=trait,
        layer=best.layer,
        of_layers=len(candidates),
        correlation=best.correlation,
        pooled=best.pooled,
        status=status_of(r, thresholds),
    )

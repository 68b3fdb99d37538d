"""A simulated study: is what was planted in each cell found by the diagnosis?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.phantom.causes import CAUSES_BY_NAME
from backend.phantom.study import planted_in
from backend.settings import StatusThresholds
from backend.store.catalog import run_names
from backend.store.run import Run
from backend.store.run_record import SIMULATED
from backend.views.diagnosis.compute import diagnose_run


@dataclass(frozen=True)
class PlantedCell:
    """One cell of a simulated study.

    Attributes:
        model: the run's name.
        trait: the trait.
        planted: titles of the harmful causes that were planted; empty if none was.
        found: titles of the causes that the diagnosis supports, likeliest first.
        right: whether every planted cause is among those found; where none was planted, whether
            none is found.
        works: whether r is that of a working cell.
    """

    model: str
    trait: str
    planted: tuple[str, ...]
    found: tuple[str, ...]
    right: bool
    works: bool


def planted_cells(
    runs: Sequence[Run], prompt_set: str, thresholds: StatusThresholds
) -> tuple[PlantedCell, ...]:
    """Planted against found, cell by cell, each at its best layer.

    Args:
        runs: open runs of one study; those of real models are left out.
        prompt_set: which prompts the vectors are built from.
        thresholds: where a cell works.
    """
    names = run_names([run.summary() for run in runs])
    cells = []
    for run, name in zip(runs, names, strict=True):
        if run.record.model_source != SIMULATED:
            continue
        for diagnosis in diagnose_run(run, prompt_set, None, None, thresholds):
            planted = planted_in(run.traits[diagnosis.trait], run.record.model_name)
            harmful = {cause for cause in planted if CAUSES_BY_NAME[cause].harms}
            supported = [judgement.cause for judgement in diagnosis.supported]
            right = harmful <= set(supported) if harmful else not supported
            cells.append(
                PlantedCell(
                    model=name,
                    trait=diagnosis.trait,
                    planted=tuple(CAUSES_BY_NAME[cause].title for cause in sorted(harmful)),
                    found=tuple(judgement.title for judgement in diagnosis.supported),
                    right=right,
                    works=diagnosis.works,
                )
            )
    return tuple(cells)


def planted_rows(cells: Sequence[PlantedCell]) -> list[dict[str, str]]:
    """Planted against found as a table.

    Args:
        cells: one row each.
    """
    return [
        {
            "": "✓" if cell.right else "✕",
            "model": cell.model,
            "trait": cell.trait.replace("_", " "),
            "planted": ", ".join(cell.planted) or "nothing harmful",
            "found": ", ".join(cell.found) or "nothing",
            "status": "works" if cell.works else "does not work",
        }
        for cell in cells
    ]


def planted_answer(cells: Sequence[PlantedCell]) -> str:
    """How often the diagnosis is right, in words.

    Args:
        cells: of a simulated study.
    """
    harmed = [cell for cell in cells if cell.planted]
    healthy = [cell for cell in cells if not cell.planted]
    parts = []
    if harmed:
        found = sum(cell.right for cell in harmed)
        parts.append(f"the planted causes are found in {found} of {len(harmed)} harmed cells")
    if healthy:
        accused = sum(not cell.right for cell in healthy)
        parts.append(f"a cause is found in {accused} of {len(healthy)} healthy cells")
    return f"{', '.join(parts)}.".capitalize() if parts else "No cell is simulated."

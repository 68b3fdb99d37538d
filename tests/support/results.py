"""What views compute, for tests that have a store and an id."""

from __future__ import annotations

from backend.runs.results import Results
from backend.settings import Settings
from backend.store.run import open_run
from backend.store.run_values import CellResult


def results(settings: Settings) -> Results:
    """Results of a store, computed anew."""
    return Results(settings)


def cells(settings: Settings, run_id: str, trait: str | None = None) -> tuple[CellResult, ...]:
    """The cells of a run."""
    with open_run(settings, run_id) as run:
        return run.cells(trait)

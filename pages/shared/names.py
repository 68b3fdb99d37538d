"""Names of runs where several stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.run_values import RunSummary
from pages.shared.sidebar import run_name, told_apart


def column_names(runs: Sequence[RunSummary]) -> list[str]:
    """The model where that tells runs apart, else the run's full name."""
    labels = [run.label for run in runs]
    names = [run.label if labels.count(run.label) == 1 else run_name(run) for run in runs]
    return told_apart(names, runs)

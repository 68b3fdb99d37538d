"""Names of runs where several stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.run_values import RunSummary


def run_name(run: RunSummary) -> str:
    """A run's full name among the runs of its study: model, layers and time."""
    layers = run.record.layers
    return f"{run.label} · layers {layers[0]}–{layers[-1]} · {_time(run)}"


def short_names(runs: Sequence[RunSummary]) -> list[str]:
    """The model where that tells runs apart, else with the time of the run."""
    labels = [run.label for run in runs]
    names = [
        run.label if labels.count(run.label) == 1 else f"{run.label} · {_time(run)}" for run in runs
    ]
    return _apart(names, runs)


def column_names(runs: Sequence[RunSummary]) -> list[str]:
    """The model where that tells runs apart, else the run's full name."""
    labels = [run.label for run in runs]
    names = [run.label if labels.count(run.label) == 1 else run_name(run) for run in runs]
    return _apart(names, runs)


def _time(run: RunSummary) -> str:
    return run.record.created_at[5:16].replace("T", " ")


def _apart(names: Sequence[str], runs: Sequence[RunSummary]) -> list[str]:
    """The names, those that are still the same with the end of the run's id."""
    return [
        name if names.count(name) == 1 else f"{name} · {run.record.run_id[-4:]}"
        for name, run in zip(names, runs, strict=True)
    ]

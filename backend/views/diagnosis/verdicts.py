"""The diagnosis of every cell of a scorecard in one line."""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from backend.views.diagnosis.compute import diagnose_run

Verdicts = dict[tuple[str, str], str]


def verdicts(
    settings: Settings, run_ids: Sequence[str], prompt_set: str, layer: int | None
) -> Verdicts:
    """(run id, trait) -> why the cell fails, in a line.

    Args:
        settings: where the store is, and the thresholds of a status.
        run_ids: published runs.
        prompt_set: which prompts the vectors are built from.
        layer: at this layer; None for every trait's layer with the highest r.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    return {
        (run_id, diagnosis.trait): diagnosis.line
        for run_id in run_ids
        for diagnosis in diagnose_run(settings, run_id, prompt_set, layer=layer)
    }

"""What the scorecard, the diagnosis and the prompts of a store are, computed anew."""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.prompts.compute import PromptView, prompt_view
from backend.views.scorecard.compute import Scorecard, scorecard
from tests.support.results import results

SET = "default"


def card(
    settings: Settings, run_ids: Sequence[str], prompt_set: str = SET, layer: int | None = None
) -> Scorecard:
    """The scorecard of some runs."""
    found = results(settings)
    return found.of_runs(scorecard, run_ids, prompt_set, layer, found.thresholds)


def diagnoses(
    settings: Settings, run_id: str, trait: str | None = None, layer: int | None = None
) -> tuple[Diagnosis, ...]:
    """The diagnoses of a run's cells."""
    found = results(settings)
    steering = found.steering(run_id)
    return found.of_run(diagnose_run, run_id, SET, trait, layer, found.thresholds, steering)


def lines(settings: Settings, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Run id -> trait -> the diagnosis of its best layer in a line."""
    found = results(settings)
    return {
        run_id: {
            cell.trait: cell.line
            for cell in found.of_run(diagnose_run, run_id, SET, None, None, found.thresholds)
        }
        for run_id in run_ids
    }


def prompts(
    settings: Settings,
    run_id: str,
    trait: str,
    layer: int,
    *,
    prompt_set: str = SET,
    clustered: bool = False,
) -> PromptView:
    """The prompts of one cell."""
    return results(settings).of_run(
        prompt_view, run_id, trait, prompt_set, layer, clustered=clustered
    )

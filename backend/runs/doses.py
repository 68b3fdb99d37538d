"""What measured dose-responses say of a run's cells."""

from __future__ import annotations

from functools import partial

from backend.core.dose import SteeringResult, steerability
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.settings import Settings
from backend.store.dose import BEHAVIOUR, DoseRecord, dose_list
from backend.store.file_cache import FileCache

_RESULTS = FileCache(256)


def steering_of(settings: Settings, run_id: str) -> tuple[SteeringResult, ...]:
    """How the cells of a run steer, by the mean difference; of several dose-responses of a cell the
    newest counts.

    Args:
        settings: where the store is.
        run_id: a run.
    """
    found: dict[tuple[str, str, int], SteeringResult] = {}
    for record in dose_list(settings).doses:
        steered = record.steered
        if steered.run_id == run_id and not steered.named and steered.vector == MEAN_DIFFERENCE:
            path = settings.doses / f"{record.name}.json"
            result = _RESULTS.get("steering", [path], partial(_result, record))
            found[steered.trait, steered.prompt_set, steered.layer] = result
    return tuple(found.values())


def _result(record: DoseRecord) -> SteeringResult:
    measure = next(name for name in BEHAVIOUR if name in record.measures)
    steered = record.steered
    return SteeringResult(
        trait=steered.trait,
        prompt_set=steered.prompt_set,
        layer=steered.layer,
        measure=measure,
        steerability=steerability(record.dose(measure)),
        strongest=max(map(abs, record.strengths)),
        unit=steered.unit,
        name=record.name,
    )

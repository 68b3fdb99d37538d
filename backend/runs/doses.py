"""What measured dose-responses say of a run's cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from backend.core.arrays import digest_of
from backend.core.dose import SteeringResult, steerability
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.runs.directions import DirectionKey, vector_of
from backend.runs.imported_vectors import NamedVector, named_paths, named_vectors
from backend.settings import Settings
from backend.store.dose import BEHAVIOUR, DoseRecord, Steered, dose_list
from backend.store.file_cache import FileCache
from backend.store.run import Run, open_run, run_path

_RESULTS = FileCache(256)


def steering_of(settings: Settings, run_id: str) -> tuple[SteeringResult, ...]:
    """How the cells of a run steer, by the mean difference as the run holds it now; of several
    dose-responses of a cell the newest counts.

    Args:
        settings: where the store is.
        run_id: a run.
    """
    found: dict[tuple[str, str, int], SteeringResult] = {}
    for record in dose_list(settings).doses:
        steered = record.steered
        if steered.run_id != run_id or steered.named or steered.vector != MEAN_DIFFERENCE:
            continue
        if not another_vector_now(settings, steered):
            path = settings.doses / f"{record.name}.json"
            result = _RESULTS.get("steering", [path], partial(_result, record))
            found[steered.trait, steered.prompt_set, steered.layer] = result
    return tuple(found.values())


def another_vector(runs: Sequence[Run], named: Sequence[NamedVector], steered: Steered) -> bool:
    """Whether what was steered with is not the vector of that name any more: the run was derived
    again or replaced since, or the named vector was. False also where it was not kept which vector
    it was.

    Args:
        runs: the run, open.
        named: all vectors that were saved or imported.
        steered: of a dose-response of the run.
    """
    if not steered.vector_hash:
        return False
    (run,) = runs
    method, name = ("", steered.vector) if steered.named else (steered.vector, "")
    key = DirectionKey(steered.trait, method, name)
    now = vector_of(run, named, key, steered.prompt_set, steered.layer)
    return isinstance(now, str) or digest_of(now) != steered.vector_hash


def another_vector_now(settings: Settings, steered: Steered) -> bool:
    """As :func:`another_vector`, of what the store holds; False where the run is not there.

    Args:
        settings: where the store is.
        steered: of a dose-response.

    Raises:
        SteerscopeError: the run cannot be read.
    """

    def make() -> bool:
        named = named_vectors(settings) if steered.named else ()
        with open_run(settings, steered.run_id) as run:
            return another_vector([run], named, steered)

    path = run_path(settings, steered.run_id)
    files = [path, *named_paths(settings)] if steered.named else [path]
    return path.exists() and _RESULTS.get(("another", steered), files, make)


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

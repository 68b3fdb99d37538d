"""A kept dose-response, computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from backend.core.dose import Steerability, StrengthChange, changes, lost_from, steerability
from backend.settings import Settings
from backend.store.dose import DoseRecord, dose_list
from backend.store.file_cache import FileCache
from backend.views.dose.measures import MEASURES, Measure

_COMPUTED = FileCache(128)


@dataclass(frozen=True)
class MeasureResult:
    """One measure.

    Attributes:
        measure: which.
        changes: at every strength.
        steerability: how it follows the strength.
        lost: of a measure of coherence, the least negative and the least positive strength from
            which it is lost for sure; None where it is not.
    """

    measure: Measure
    changes: tuple[StrengthChange, ...]
    steerability: Steerability
    lost: tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class DoseResult:
    """A dose-response with what follows from it.

    Attributes:
        record: as it was measured.
        measures: those it has, of behaviour first.
    """

    record: DoseRecord
    measures: tuple[MeasureResult, ...]

    @property
    def behaviour(self) -> MeasureResult:
        """The measure by which it is judged whether the vector steers."""
        return self.measures[0]

    @property
    def lost(self) -> tuple[float | None, float | None]:
        """The least negative and the least positive strength from which any measure of coherence is
        lost."""
        below = [one.lost[0] for one in self.measures if one.lost[0] is not None]
        above = [one.lost[1] for one in self.measures if one.lost[1] is not None]
        return max(below, default=None), min(above, default=None)


def dose_results(settings: Settings, run_id: str, trait: str) -> tuple[DoseResult, ...]:
    """The dose-responses of a run's trait, newest first.

    Args:
        settings: where the store is.
        run_id: a run.
        trait: one of its traits.
    """
    return tuple(
        _COMPUTED.get(
            "dose", [settings.doses / f"{record.name}.json"], partial(dose_result, record)
        )
        for record in reversed(dose_list(settings).doses)
        if (record.steered.run_id, record.steered.trait) == (run_id, trait)
    )


def dose_result(record: DoseRecord) -> DoseResult:
    """What follows from a dose-response. Args: record: as it was measured."""
    found = []
    for measure in MEASURES:
        if measure.name not in record.measures:
            continue
        dose = record.dose(measure.name)
        limit = measure.limit
        lost = (None, None) if limit is None else tuple(lost_from(dose, limit, s) for s in (-1, 1))
        found.append(MeasureResult(measure, changes(dose), steerability(dose), (lost[0], lost[1])))
    return DoseResult(record, tuple(found))

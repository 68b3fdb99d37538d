"""Measured dose-responses: one small immutable file each, ``doses/<name>.json``."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.core.arrays import Floats
from backend.core.dose import Dose
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.dated_files import DatedFiles

MOST_DOSES = 2_000
_VERSION = 1
# The measure that is of pairs; see :mod:`backend.steering.dose`.
PAIRED = "propensity"
# Measures of behaviour: a judge's score, then what the model would say, and last what its answers
# read like to the vector itself.
BEHAVIOUR = ("score", PAIRED, "reading")
MEASURES = (*BEHAVIOUR, "nll", "distinct")
UNITS = ("poles", "norm", "vector")
PLACES = ("prompt", "generated", "both")
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
}


@dataclass(frozen=True)
class Steered:
    """What was steered, with what and how.

    Attributes:
        run_id: the run whose cell the vector is of.
        trait: of the cell.
        prompt_set: of the cell.
        layer: where the vector was added.
        vector: name of the method, or of a saved or imported vector.
        named: whether it is one that was saved or imported.
        model: reference of the model.
        weights_hash: of the model.
        unit: of the strengths: poles, norm or vector.
        unit_size: one unit in units of activations.
        pole_distance: distance between the poles along the vector; None where it is undefined.
        residual_norm: mean norm of the run's texts at the layer; None likewise.
        mode: add, or norm-add, which keeps the norm of what it is added to.
        where: which tokens the vector was added to: prompt, generated or both.
        tokens: longest answer.
        temperature: of the answers.
        seed: of the answers and of the random directions.
        judge: model that scored, or empty.
        vector_hash: digest of the vector (:func:`backend.core.arrays.digest_of`); empty where it
            was not kept.
    """

    run_id: str
    trait: str
    prompt_set: str
    layer: int
    vector: str
    named: bool
    model: str
    weights_hash: str
    unit: str
    unit_size: float
    pole_distance: float | None
    residual_norm: float | None
    mode: str
    where: str
    tokens: int
    temperature: float
    seed: int
    judge: str
    vector_hash: str = ""


@dataclass(frozen=True)
class Item:
    """One question that was answered. Attributes: name (scenario or pair), group of dependent
    items, text (the end of what was asked)."""

    name: str
    group: str
    text: str


@dataclass(frozen=True, eq=False)
class DoseRecord:
    """A measured dose-response of one vector at one layer.

    Attributes:
        name: its file's stem.
        created_at: UTC, ISO 8601.
        steered: what was steered, and how.
        strengths: in the unit of ``steered``, ascending, with 0 among them.
        directions: random directions of the same length that were tried.
        items: of each measure that is of answers: the questions.
        pairs: of the propensity: pairs of answers; empty where the study has none.
        measures: name of a measure -> values, [items or pairs, strengths], and those along random
            directions, [directions, items or pairs, strengths]; NaN where there is none.
        answers: of each question at each strength.
    """

    name: str
    created_at: str
    steered: Steered
    strengths: tuple[float, ...]
    directions: int
    items: tuple[Item, ...]
    pairs: tuple[Item, ...]
    measures: Mapping[str, tuple[Floats, Floats]]
    answers: tuple[tuple[str, ...], ...]

    def dose(self, measure: str) -> Dose:
        """One measure. Args: its name, among ``measures``."""
        values, controls = self.measures[measure]
        items = self.pairs if measure == PAIRED else self.items
        names = [item.group for item in items]
        groups = np.array([sorted(set(names)).index(name) for name in names], np.intp)
        return Dose(np.array(self.strengths), values, groups, controls)


@dataclass(frozen=True)
class DoseList:
    """All dose-responses. Attributes: doses (readable ones, oldest first) and broken (file name ->
    why it cannot be read)."""

    doses: tuple[DoseRecord, ...]
    broken: dict[str, str]


def name_of_job(job: str, layer: int) -> str:
    """The name of what a job measures at a layer: the same whenever it is begun again.

    Args:
        job: its id, which holds the time at which it was asked for.
        layer: where the vector is added.

    Raises:
        StoreError: it is no id of a job.
    """
    moment = re.search(r"[0-9]{8}-[0-9]{6}", job)
    if moment is None:
        raise StoreError(
            f"{job[:60]!r} is the name of no job.",
            expected="a name with its time, such as dose-20260131-120000-0a1b2c3d.",
            remedy="start the measurement again.",
        )
    return f"{moment[0]}-{hashlib.sha256(f'{job}/{layer}'.encode()).hexdigest()[:8]}"


def has_dose(settings: Settings, name: str) -> bool:
    """Whether a dose-response of this name is kept. Args: where the store is; its name."""
    return _DOSES.path(settings, name).is_file()


def publish_dose(settings: Settings, record: DoseRecord) -> None:
    """Keep a dose-response; it is never changed, only deleted. One that is kept under its name
    already stays as it is.

    Raises:
        StoreError: there are too many.
        ReadOnly, NotAllowed: nothing may be written here, or not by who asks.
        NoRoom: the disk is full, or does not let it be written; nothing is left behind.
    """
    values = dataclasses.asdict(dataclasses.replace(record, measures={}))
    values["measures"] = {
        name: [_listed(own), _listed(controls)] for name, (own, controls) in record.measures.items()
    }
    values["version"] = _VERSION
    del values["name"]
    _DOSES.keep(settings, record.name, values)


def dose_list(settings: Settings) -> DoseList:
    """All dose-responses; a file that cannot be read is listed with its reason, not raised."""
    return DoseList(*_DOSES.all(settings))


def delete_dose(settings: Settings, name: str) -> None:
    """Remove a dose-response's file.

    Raises:
        StoreError: none is called so.
        ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
        SharedAway: it is in a shared place that cannot be asked.
    """
    _DOSES.delete(settings, name)


def _listed(values: Floats) -> Any:
    """An array as JSON lists, with null for NaN."""
    if values.ndim > 1:
        return [_listed(row) for row in values]
    return [float(value) if math.isfinite(value) else None for value in values]


def _array(values: object, shape: tuple[int, ...]) -> Floats:
    try:
        found = np.array(values, dtype=object).astype(np.float64)
    except (TypeError, ValueError) as fault:
        raise ValueError("a measure is no table of numbers") from fault
    if 0 in shape:
        return np.zeros(shape)
    if found.shape != shape:
        raise ValueError(f"a measure has the shape {found.shape} instead of {shape}")
    return found


def _record(name: str, values: Mapping[str, Any]) -> DoseRecord:
    """Raises: ValueError, TypeError, LookupError, AttributeError: why it is none."""
    if values["version"] != _VERSION:
        raise ValueError(f"its version is {values['version']!r} and not {_VERSION}")
    items, pairs = (tuple(Item(**one) for one in values[key]) for key in ("items", "pairs"))
    strengths = tuple(float(one) for one in values["strengths"])
    directions = int(values["directions"])
    measures = {}
    for measure, (own, controls) in values["measures"].items():
        shape = (len(pairs if measure == PAIRED else items), len(strengths))
        measures[str(measure)] = (
            _array(own, shape),
            _array(controls, (directions, *shape)),
        )
    record = DoseRecord(
        name,
        str(values["created_at"])[:40],
        _steered(values["steered"]),
        strengths,
        directions,
        items,
        pairs,
        measures,
        tuple(tuple(map(str, row)) for row in values["answers"]),
    )
    _check(record)
    return record


def _check(record: DoseRecord) -> None:
    """Raises: ValueError, TypeError: it is nothing that could have been measured."""
    steered = record.steered
    if steered.unit not in UNITS or steered.where not in PLACES:
        raise ValueError(f"unit {steered.unit!r} at {steered.where!r} tokens")
    if not record.measures or not set(record.measures) <= set(MEASURES):
        raise ValueError(f"measures {', '.join(record.measures) or '(none)'}")
    if not set(BEHAVIOUR) & set(record.measures):
        raise ValueError("no measure of behaviour")
    if not all(map(math.isfinite, (*record.strengths, steered.unit_size))):
        raise ValueError("a strength is not finite")
    if len(record.answers) != len(record.items) or any(
        len(row) != len(record.strengths) for row in record.answers
    ):
        raise ValueError("answers do not fit to questions and strengths")
    for item in (*record.items, *record.pairs):
        if not all(isinstance(part, str) for part in dataclasses.astuple(item)):
            raise TypeError("an item is no text")
    for name in record.measures:
        record.dose(name)


def _steered(values: Mapping[str, Any]) -> Steered:
    """Raises: TypeError, ValueError: a field is missing, unknown or of another kind."""
    made = Steered(**values)
    for one in dataclasses.fields(Steered):
        given = getattr(made, one.name)
        if type(given) not in _TYPES[str(one.type)]:
            raise TypeError(f"{one.name} is {type(given).__name__} instead of {one.type}")
        if isinstance(given, float) and not math.isfinite(given):
            raise ValueError(f"{one.name} is not finite")
    return made


_DOSES = DatedFiles(
    "dose-response",
    "doses",
    {field.name for field in dataclasses.fields(DoseRecord)} - {"name"} | {"version"},
    MOST_DOSES,
    _record,
    "dose --list",
)

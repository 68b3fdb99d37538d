"""Requests as plain JSON, run ids, and layer ranges as users write them."""

from __future__ import annotations

import dataclasses
import datetime
import re
import secrets
from typing import Any

from backend.errors import LayerOutOfRange, StoreError
from backend.extraction.engine import split_of
from backend.models.model_reference import model_name
from backend.store.run_record import IMPORTED, SIMULATED, RunRecord
from backend.types import ExtractionRequest

# Several times the depth of the deepest models; a range is written out, so it must be small.
HIGHEST_LAYER = 999
_LONGEST_LAYERS = 10_000
# Fields of a request that are no text.
_KINDS: dict[str, type] = {
    "layers": tuple,
    "batch_tokens": int,
    "fresh": bool,
    "workers": int,
    "worker_cpus": int,
    "tensor_parallel": int,
    "pipeline_parallel": int,
}
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def parse_layers(text: str) -> tuple[int, ...]:
    """Layers from ``8-19`` or ``0,4,8-10``, ascending and without repeats.

    Raises:
        LayerOutOfRange: the text is not of that form, or names a layer above ``HIGHEST_LAYER``.
    """
    layers: set[int] = set()
    short = text if len(text) <= 60 else f"{text[:60]}..."
    parts = text.replace(" ", "").split(",") if len(text) <= _LONGEST_LAYERS else [short]
    for part in parts:
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise LayerOutOfRange(
                f"{short!r} is not a list of layers: {part[:60]!r} cannot be read.",
                expected="numbers and ranges such as 8-19 or 0,4,8-10.",
                remedy="write the layers like that; 0 is the embedding output.",
            )
        if last > HIGHEST_LAYER:
            raise LayerOutOfRange(
                f"{part!r} names a layer that no model has.",
                expected=f"layers from 0 to {HIGHEST_LAYER} at most.",
                remedy="write layers of the model, such as 8-19; 0 is the embedding output.",
            )
        layers.update(range(first, last + 1))
    return tuple(sorted(layers))


def new_run_id(study_key: str, model: str) -> str:
    """A run id that sorts by time and says what it is."""
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    study = study_key.split("@", 1)[0]
    return f"{moment}-{_slug(study)}-{_slug(model_name(model))}-{secrets.token_hex(2)}"


def request_like(record: RunRecord, study: str) -> ExtractionRequest:
    """The request that extracts another study as a run was extracted, by the same engine on the
    device that is there.

    Args:
        record: of the run.
        study: key of the other study.

    Raises:
        StoreError: the run is simulated, or its activations were imported.
    """
    if record.model_source == IMPORTED:
        raise StoreError(
            f"The activations of run {record.run_id} were imported: its model is not at hand.",
            expected="a run that a model made here.",
            remedy="import the activations of the other study (import-activations).",
        )
    if record.model_source == SIMULATED:
        raise StoreError(
            f"Run {record.run_id} is simulated, and what it simulates has no other texts.",
            expected="a run that a model made.",
            remedy="choose a run of a real model.",
        )
    tensor, pipeline = split_of(record.device)
    return ExtractionRequest(
        study=study,
        model=record.model,
        layers=record.layers,
        pooling=record.pooling,
        batch_tokens=record.batch_tokens,
        dtype=record.dtype,
        engine=record.engine,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
    )


def request_to_json(request: ExtractionRequest) -> dict[str, Any]:
    """The request as JSON values."""
    return dataclasses.asdict(request) | {"layers": list(request.layers)}


def request_from_json(values: dict[str, Any]) -> ExtractionRequest:
    """The request from :func:`request_to_json`.

    Raises:
        TypeError, LookupError: the values are of no request.
    """
    layers = values["layers"]
    if not isinstance(layers, list) or any(type(layer) is not int for layer in layers):
        raise TypeError("layers are no list of whole numbers")
    made = ExtractionRequest(**(values | {"layers": tuple(layers)}))
    for field in dataclasses.fields(made):
        given = getattr(made, field.name)
        wanted = _KINDS.get(field.name, str)
        if type(given) is not wanted:
            raise TypeError(f"{field.name} is {type(given).__name__} instead of {wanted.__name__}")
    return made


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]

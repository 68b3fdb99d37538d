"""Everything a run holds besides activations, computed layer by layer from them.

Memory does not grow with the number of responses times the width: responses are read in chunks
and only their inner products with the prompts are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from backend.geometry.measure import Measure
from backend.geometry.products import Moments, correlation_of_weights, moments
from backend.geometry.prompt_space import Floats, PromptSpace
from backend.geometry.registry import measure_all
from backend.geometry.stability import influences
from backend.statistics.behaviour import Behaviour, behaviour_of
from backend.statistics.correlation import Correlation
from backend.store.connection import fixed_rows, list_rows
from backend.store.work_file import WorkFile
from backend.types import Study

METRIC = "identity"
METHOD = "mean_difference"
CHUNK = 4096

Columns = dict[str, object]


@dataclass(frozen=True)
class _Cell:
    """One (trait, prompt set): which prompts of the trait it uses."""

    trait: str
    prompt_set: str
    members: tuple[int, ...]
    high: tuple[bool, ...]


def derive_layer(work: WorkFile, study: Study, layer: int) -> None:
    """Compute and commit the derived tables of one layer of a work file with all its batches.

    Running it again replaces what it wrote.

    Args:
        work: a work file whose batches are all committed.
        study: its study.
        layer: one of its layers.
    """
    behaviours = {
        trait: behaviour_of(study.responses, trait, study.target) for trait in study.traits
    }
    if not work.derived_layers():
        rows = [_behaviour_rows(trait, behaviour) for trait, behaviour in behaviours.items()]
        work.replace({"behaviours": rows}, None)
    work.replace(_derive_layer(work, study, layer, behaviours), layer)


def _derive_layer(
    work: WorkFile, study: Study, layer: int, behaviours: dict[str, Behaviour]
) -> dict[str, list[Columns]]:
    prompts = work.activations("prompt", layer, 0, len(study.prompts)).astype(np.float64)
    alignment = _alignment(work, layer, prompts, len(study.responses))
    tables: dict[str, list[Columns]] = {}

    def add(table: str, columns: Columns) -> None:
        rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
        tables.setdefault(table, []).append(columns | {"layer": pa.array([layer] * rows, "int32")})

    for trait in study.traits:
        ids = [i for i, prompt in enumerate(study.prompts) if prompt.trait == trait]
        rows = prompts[ids]
        products = alignment[:, ids]
        gram = rows @ rows.T
        behaviour = behaviours[trait]
        cell_moments = moments(products, behaviour.first, behaviour.last, behaviour.values)
        key = {"metric": [METRIC] * len(ids), "trait": [trait] * len(ids)}
        prompt_ids = pa.array(ids, "int32")
        add("gram", key | {"prompt_id": prompt_ids, "products": list_rows(gram)})
        add("moments", key | {
            "prompt_id": prompt_ids, "s": list_rows(cell_moments.s), "b": cell_moments.b,
        })  # fmt: skip
        add("moment_totals", {
            "metric": [METRIC], "trait": [trait], "cases": pa.array([cell_moments.count], "int32"),
            "y_square": [cell_moments.y_square], "rounding": [cell_moments.rounding],
        })  # fmt: skip
        count = len(study.responses)
        add("alignment", {
            "metric": [METRIC] * count, "trait": [trait] * count,
            "response_id": pa.array(range(count), "int32"), "products": list_rows(products),
        })  # fmt: skip
        for cell in _cells(study, trait, ids):
            for table, columns in _derive_cell(
                cell, ids, rows, gram, products, cell_moments, behaviour
            ):
                add(table, columns)
    return tables


def _derive_cell(
    cell: _Cell,
    ids: Sequence[int],
    rows: Floats,
    gram: Floats,
    products: Floats,
    cell_moments: Moments,
    behaviour: Behaviour,
) -> list[tuple[str, Columns]]:
    members = np.array(cell.members)
    high = np.array(cell.high)
    vector = rows[members][high].mean(axis=0) - rows[members][~high].mean(axis=0)
    space = PromptSpace(gram[np.ix_(members, members)], high, rows.shape[1], vector)
    weights = np.zeros(len(ids))
    weights[members] = space.weights
    measured = measure_all(space)
    length = measured["separation"].value
    key: Columns = {"trait": [cell.trait], "prompt_set": [cell.prompt_set]}
    method: Columns = {"method": [METHOD]} | key
    tables: list[tuple[str, Columns]] = [
        ("vectors", method | {"vector": fixed_rows(vector[None, :])}),
        ("metrics", _repeat(key, len(measured)) | {"name": list(measured)}
         | _measure_columns(list(measured.values()), "value")),
        ("influences", _repeat(key, len(members))
         | {"prompt_id": pa.array([ids[m] for m in cell.members], "int32")}
         | _measure_columns(influences(space), "degrees")),
        ("correlations", method | _correlation_columns(
            correlation_of_weights(weights, cell_moments), behaviour)),
    ]  # fmt: skip
    if length and len(products):
        projections = products @ weights / length
        tables.append(("projections", _repeat(method, len(projections)) | {
            "response_id": pa.array(range(len(projections)), "int32"), "projection": projections,
        }))  # fmt: skip
    return tables


def _alignment(work: WorkFile, layer: int, prompts: Floats, responses: int) -> Floats:
    """A = RP' for all prompts, [responses, prompts], reading responses in chunks."""
    parts = [np.zeros((0, len(prompts)))]
    for start in range(0, responses, CHUNK):
        chunk = work.activations("response", layer, start, min(start + CHUNK, responses))
        parts.append(chunk.astype(np.float64) @ prompts.T)
    return np.concatenate(parts)


def _cells(study: Study, trait: str, ids: Sequence[int]) -> list[_Cell]:
    cells = []
    for prompt_set in sorted({study.prompts[i].prompt_set for i in ids}):
        members = tuple(m for m, i in enumerate(ids) if study.prompts[i].prompt_set == prompt_set)
        high = tuple(study.prompts[ids[m]].pole == "high" for m in members)
        cells.append(_Cell(trait, prompt_set, members, high))
    return cells


def _behaviour_rows(trait: str, behaviour: Behaviour) -> Columns:
    count = len(behaviour.values)
    first = None if behaviour.first is None else behaviour.first.tolist()
    return {
        "trait": [trait] * count,
        "case_id": pa.array(range(count), "int32"),
        "scenario": list(behaviour.scenarios),
        "responder": list(behaviour.responders),
        "first_response": pa.array(first if first is not None else [None] * count, "int32"),
        "last_response": pa.array(behaviour.last.tolist(), "int32"),
        "value": behaviour.values,
    }


def _measure_columns(measures: Sequence[Measure], value: str) -> Columns:
    return {
        value: pa.array([m.value for m in measures], "double"),
        "reason": pa.array([m.reason for m in measures], "string"),
    }


def _correlation_columns(c: Correlation, behaviour: Behaviour) -> Columns:
    return {
        "target": [behaviour.target],
        "n": pa.array([c.n], "int32"),
        "r": pa.array([c.r], "double"),
        "low": pa.array([c.low], "double"),
        "high": pa.array([c.high], "double"),
        "p": pa.array([c.p], "double"),
        "reason": pa.array([c.reason], "string"),
    }


def _repeat(columns: Columns, times: int) -> Columns:
    return {name: list(value) * times for name, value in columns.items()}  # type: ignore[call-overload]

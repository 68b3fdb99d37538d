"""Cosines of a run's vectors with each other: over traits, methods, or prompt sets and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.core.prompt_cells import cosine_matrix
from backend.core.vectors.methods import METHODS
from backend.store.catalog import run_names
from backend.store.run import Run
from backend.store.run_values import RunSummary

Family = Literal["traits", "methods", "sets"]
# What differs between the vectors -> title.
FAMILIES: dict[Family, str] = {
    "traits": "traits",
    "methods": "methods",
    "sets": "prompt sets and runs",
}


@dataclass(frozen=True, eq=False)
class VectorCosines:
    """Some vectors of one model at one layer.

    Attributes:
        names: of the vectors.
        cosines: [k, k] in that order; NaN for a vector without length.
        layer: the layer.
        width: d.
        missing: names of what has no vector here.
    """

    names: tuple[str, ...]
    cosines: Floats
    layer: int
    width: int
    missing: tuple[str, ...]

    def closest(self) -> tuple[str, str, float] | None:
        """The two vectors with the largest absolute cosine; None where no two have one."""
        sizes = np.abs(np.triu(self.cosines, 1))
        if len(self.names) < 2 or not np.nanmax(sizes, initial=0.0) > 0:
            return None
        row, column = np.unravel_index(np.nanargmax(sizes), sizes.shape)
        return self.names[row], self.names[column], float(self.cosines[row, column])


def vector_cosines(
    runs: Sequence[Run], family: Family, trait: str, method: str, prompt_set: str, layer: int
) -> VectorCosines:
    """Cosines of vectors that differ in one thing.

    Args:
        runs: open runs of one model and pooling, the one looked at first; the others are asked
            for the family ``sets`` alone.
        family: what differs: the trait; the method; or the prompt set and the run.
        trait: of all vectors but for ``traits``.
        method: of all vectors but for ``methods``.
        prompt_set: of all vectors but for ``sets``.
        layer: of all vectors.
    """
    first = runs[0]
    found: dict[str, Floats | None] = {}
    if family == "sets":
        names = run_names([run.summary() for run in runs])
        for run, name in zip(runs, names, strict=True):
            for each in run.prompt_sets:
                if trait in run.traits_of_set(each):
                    title = each if len(runs) == 1 else f"{name}: {each}"
                    found[title] = _vector(run, trait, method, each, layer)
    elif family == "methods":
        held = first.methods()
        for own in METHODS:
            if own.name in held:
                found[own.title_on(first.label_range)] = _vector(
                    first, trait, own.name, prompt_set, layer
                )
    else:
        for name in first.traits_of_set(prompt_set):
            found[name.replace("_", " ")] = _vector(first, name, method, prompt_set, layer)
    known = {name: vector for name, vector in found.items() if vector is not None}
    matrix = np.array(list(known.values())).reshape(len(known), -1)
    return VectorCosines(
        names=tuple(known),
        cosines=cosine_matrix(matrix @ matrix.T) if known else np.zeros((0, 0)),
        layer=layer,
        width=first.record.width,
        missing=tuple(name for name in found if name not in known),
    )


def runs_of_model(runs: Sequence[RunSummary], run: RunSummary) -> tuple[str, ...]:
    """Ids of the runs whose vectors lie in the same space as a run's, that run first.

    Args:
        runs: of one study.
        run: one of them.
    """
    own = (run.record.weights_hash, run.record.config_hash, run.record.pooling, run.record.width)
    alike = [
        other.run_id
        for other in runs
        if other.run_id != run.run_id
        and not (other.simulated or run.simulated)
        and own
        == (
            other.record.weights_hash,
            other.record.config_hash,
            other.record.pooling,
            other.record.width,
        )
    ]
    return (run.run_id, *alike)


def _vector(run: Run, trait: str, method: str, prompt_set: str, layer: int) -> Floats | None:
    stored = run.vectors(prompt_set, [(trait, method, layer)])
    return stored[0].values if stored else None

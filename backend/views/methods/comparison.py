"""Whether any method beats the mean difference, and what choosing among them is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.runs.saved_vectors import saved_drift
from backend.settings import Settings
from backend.store.drifts import read_drifts
from backend.views.methods.compute import METHOD, MethodGrid, method_grid, saved_of_run
from backend.views.methods.differences import (
    MethodDifference,
    MethodOverTraits,
    chosen_on_halves,
    differences_to,
    over_traits,
)

__all__ = [
    "MethodChoice",
    "MethodComparison",
    "MethodDifference",
    "MethodOverTraits",
    "method_choice",
    "method_comparison",
]


@dataclass(frozen=True)
class MethodComparison:
    """Every method against the mean difference.

    Attributes:
        differences: (method, trait) -> difference of r at the layers shown.
        saved: the same for saved vectors; their p is adjusted among themselves.
        overall: method -> the comparison over traits, of r with no choice of layer in it.
    """

    differences: dict[tuple[str, str], MethodDifference]
    saved: dict[tuple[str, str], MethodDifference]
    overall: dict[str, MethodOverTraits]

    def tests(self) -> int:
        """How many tests p of a single trait is adjusted over."""
        return sum(found.difference.p is not None for found in self.differences.values())


@dataclass(frozen=True)
class MethodChoice:
    """What it is worth to choose the best method by the scores at hand.

    Attributes:
        method: the one with the highest r; None where none has r.
        layer: its layer.
        highest: that r, flattered by the choice.
        held_out: r of the best candidate, chosen on one half of the scenarios and measured on
            the other.
        baseline: the mean difference's r: held out likewise where a layer is chosen too.
        candidates: how many vectors (method and layer) were chosen from.
    """

    method: str | None
    layer: int | None
    highest: Estimate
    held_out: Estimate
    baseline: Estimate
    candidates: int


def method_comparison(
    settings: Settings, run_id: str, prompt_set: str, layer: int | None = None
) -> MethodComparison:
    """Every method of a run against the mean difference.

    Args:
        settings: where the store is.
        run_id: a published run.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None for each method's and trait's layer with the highest r.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    grid = method_grid(settings, run_id, prompt_set, layer)
    drifts: dict[str, dict[str, Floats]] = {}
    behaviour: dict[str, Floats] = {}
    with reading_run(settings, run_id) as connection:
        for (method, trait, own_set), (by_layer, y) in read_drifts(connection, layer=layer).items():
            cell = grid.cells.get((method, trait))
            if own_set != prompt_set or cell is None or cell.layer not in by_layer:
                continue
            drifts.setdefault(trait, {})[method] = by_layer[cell.layer]
            behaviour[trait] = y
    differences = differences_to(METHOD, drifts, behaviour)
    rs = {
        (row.name, trait): cell.fair().value
        for row in grid.rows
        if row.computed and not row.saved
        for trait in grid.traits
        if (cell := grid.cells.get((row.name, trait))) is not None
    }
    return MethodComparison(
        differences=differences,
        saved=_saved(settings, run_id, prompt_set, drifts, behaviour),
        overall=over_traits(METHOD, rs, differences),
    )


def method_choice(
    settings: Settings, run_id: str, trait: str, prompt_set: str, layer: int | None = None
) -> MethodChoice:
    """What choosing the best method (and layer) of one trait is worth.

    Args:
        settings: where the store is.
        run_id: a published run.
        trait: one of its traits.
        prompt_set: which prompts the vectors are built from.
        layer: choose at this layer; None to choose the layer too.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    grid = method_grid(settings, run_id, prompt_set, layer)
    candidates: dict[tuple[str, int], Floats] = {}
    behaviour = np.zeros(0)
    with reading_run(settings, run_id) as connection:
        found = read_drifts(connection, trait=trait, layer=layer)
        names = [
            row[0]
            for row in connection.execute(
                "SELECT scenario FROM behaviours WHERE trait = ? ORDER BY case_id", [trait]
            ).fetchall()
        ]
    for (method, _, own_set), (by_layer, y) in found.items():
        if own_set == prompt_set and len(y):
            behaviour = y
            candidates |= {(method, at): drift for at, drift in by_layer.items()}
    _, scenarios = np.unique(names, return_inverse=True)
    plain = {key: drift for key, drift in candidates.items() if key[0] == METHOD}
    best = _highest(grid, trait)
    nothing = Estimate.undefined(0, "no method has r here")
    base = grid.cells.get((METHOD, trait))
    if layer is None:
        baseline = chosen_on_halves(plain, behaviour, scenarios)
    else:
        baseline = nothing if base is None else base.fair()
    return MethodChoice(
        method=best,
        layer=None if best is None else grid.cells[best, trait].layer,
        highest=nothing if best is None else grid.cells[best, trait].correlation,
        held_out=chosen_on_halves(candidates, behaviour, scenarios),
        baseline=baseline,
        candidates=len(candidates),
    )


def _highest(grid: MethodGrid, trait: str) -> str | None:
    defined = [
        (cell.correlation.value, row.name)
        for row in grid.rows
        if not row.saved
        and (cell := grid.cells.get((row.name, trait))) is not None
        and cell.correlation.value is not None
    ]
    return max(defined, key=lambda pair: pair[0])[1] if defined else None


def _saved(
    settings: Settings,
    run_id: str,
    prompt_set: str,
    drifts: Mapping[str, Mapping[str, Floats]],
    behaviour: Mapping[str, Floats],
) -> dict[tuple[str, str], MethodDifference]:
    against: dict[str, dict[str, Floats]] = {}
    for vector in saved_of_run(settings, run_id, prompt_set):
        base = drifts.get(vector.trait, {}).get(METHOD)
        if base is not None:
            of_trait = against.setdefault(vector.trait, {METHOD: base})
            of_trait[f"saved:{vector.name}"] = saved_drift(settings, vector).drift
    return differences_to(METHOD, against, behaviour)

"""Whether any method beats the mean difference over the traits, and what choosing one is worth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import paired_difference
from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS, method_named
from backend.runs.imported_vectors import NamedVector, OnRun, on_run
from backend.runs.saved_vectors import saved_cases
from backend.store.imported_vector import ImportedVector
from backend.store.run import Run
from backend.store.saved_vector import SavedVector
from backend.views.methods.compute import MethodGrid, method_grid, method_results

NO_VECTOR = "no method has a vector here"


@dataclass(frozen=True)
class MethodOverTraits:
    """A method against the baseline over traits.

    Attributes:
        z: mean difference of Fisher's z with Student's t interval and p over traits.
        r: mean difference of r, plain; None without a trait on which both have r.
        won: traits where the method's r is the higher.
        lost: traits where it is the lower.
        adjusted_p: Benjamini-Hochberg p of z over methods.
    """

    z: Estimate
    r: float | None
    won: int
    lost: int
    adjusted_p: float | None = None


@dataclass(frozen=True)
class MethodComparison:
    """Every method of a run, against the mean difference.

    Attributes:
        grid: all methods on all traits.
        overall: method -> the comparison over traits, of r with no choice of layer in it.
    """

    grid: MethodGrid
    overall: dict[str, MethodOverTraits]


@dataclass(frozen=True)
class MethodChoice:
    """What it is worth to choose the best method by the scores at hand.

    Attributes:
        method: the one with the highest r; None where none has r.
        title: its name on screen; "none" where there is none.
        layer: its layer.
        highest: that r, flattered by the choice.
        held_out: r of the best candidate, chosen on one half of the scenarios and measured on
            the other.
        baseline: the mean difference's r: held out likewise where a layer is chosen too.
        candidates: how many vectors (method and layer) were chosen from.
    """

    method: str | None
    title: str
    layer: int | None
    highest: Estimate
    held_out: Estimate
    baseline: Estimate
    candidates: int


def method_comparison(
    runs: Sequence[Run], saved: Sequence[NamedVector], prompt_set: str, layer: int | None = None
) -> MethodComparison:
    """Every method of a run against the mean difference.

    Args:
        runs: one open run.
        saved: all named vectors, oldest first; those saved from other runs and prompt sets, and
            imported ones of other traits, are left out.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None for each method's and trait's layer with the highest r.

    Raises:
        ValueError: not one run.
    """
    (run,) = runs
    named, imported = named_on(run, saved, prompt_set, layer)
    grid = method_grid(run, named, prompt_set, layer, imported)
    rs = {
        (row.name, trait): grid.results[row.name, trait].selection_free_r().value
        for row in grid.rows
        if not row.saved
        for trait in grid.traits
        if (row.name, trait) in grid.results
    }
    return MethodComparison(grid, over_traits(MEAN_DIFFERENCE, rs))


def named_on(
    run: Run, saved: Sequence[NamedVector], prompt_set: str, layer: int | None
) -> tuple[list[tuple[SavedVector, Cases]], list[tuple[ImportedVector, OnRun]]]:
    """Saved and imported vectors that can be compared with a run's methods, with their cases.

    Args:
        run: an open run.
        saved: as for :func:`method_comparison`.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of imported ones; None for all of theirs.
    """
    own = [
        (vector, saved_cases(run, vector))
        for vector in saved
        if isinstance(vector, SavedVector)
        and (vector.run_id, vector.prompt_set) == (run.record.run_id, prompt_set)
    ]
    imported = [
        (vector, on_run(run, vector, layer))
        for vector in saved
        if isinstance(vector, ImportedVector) and vector.trait in run.traits
    ]
    return own, imported


def method_choice(run: Run, trait: str, prompt_set: str, layer: int | None = None) -> MethodChoice:
    """What choosing the best method (and layer) of one trait is worth.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: which prompts the vectors are built from.
        layer: choose at this layer; None to choose the layer too.
    """
    results = method_results(run, prompt_set, layer, trait)
    scored = run.scored_cases(trait)
    candidates = {
        (method, at): scored.cases(drift)
        for (method, _, own_set), (by_layer, _) in run.drifts(trait=trait, layer=layer).items()
        if own_set == prompt_set
        for at, drift in by_layer.items()
    }
    # Of equal r the one that is registered first.
    defined = [
        (result.correlation.value, method.name)
        for method in METHODS
        if (result := results.get((method.name, trait))) is not None
        and result.correlation.value is not None
    ]
    best = max(defined, key=lambda pair: pair[0])[1] if defined else None
    nothing = Estimate.undefined(0, "no method has r here")
    base = results.get((MEAN_DIFFERENCE, trait))
    if layer is None:
        baseline = chosen_on_halves(
            {key: cases for key, cases in candidates.items() if key[0] == MEAN_DIFFERENCE}
        )
    else:
        baseline = nothing if base is None else base.selection_free_r()
    return MethodChoice(
        method=best,
        title="none" if best is None else method_named(best).title_on(run.label_range),
        layer=None if best is None else results[best, trait].layer,
        highest=nothing if best is None else results[best, trait].correlation,
        held_out=chosen_on_halves(candidates),
        baseline=baseline,
        candidates=len(candidates),
    )


def over_traits(
    baseline: str,
    rs: Mapping[tuple[str, str], float | None],
) -> dict[str, MethodOverTraits]:
    """Every method against the baseline over the traits on which both have r.

    The t test takes traits as independent. They share their responses, so its interval is too
    narrow rather than too wide.

    Args:
        baseline: the method that the others are compared with.
        rs: (method, trait) -> r to compare; None where undefined.
    """
    found: dict[str, MethodOverTraits] = {}
    for method in dict.fromkeys(name for name, _ in rs if name != baseline):
        pairs = [
            (trait, r, base)
            for (name, trait), r in rs.items()
            if name == method and r is not None and (base := rs.get((baseline, trait))) is not None
        ]
        found[method] = MethodOverTraits(
            z=paired_difference(
                np.array([_z(r) for _, r, _ in pairs]),
                np.array([_z(base) for _, _, base in pairs]),
            ),
            r=float(np.mean([r - base for _, r, base in pairs])) if pairs else None,
            won=sum(r > base for _, r, base in pairs),
            lost=sum(r < base for _, r, base in pairs),
        )
    adjusted = benjamini_hochberg([f.z.p for f in found.values()])
    return {
        method: dataclasses.replace(f, adjusted_p=p)
        for (method, f), p in zip(found.items(), adjusted, strict=True)
    }


def chosen_on_halves(candidates: Mapping[tuple[str, int], Cases]) -> Estimate:
    """r of the best of several vectors, chosen on one half of the scenarios, measured on the other.

    Args:
        candidates: (method, layer) -> the same cases, with the drift (or level) of the vector's
            projections as x.
    """
    if not candidates:
        return Estimate.undefined(0, NO_VECTOR)
    every = list(candidates.values())
    return held_out_choice(np.stack([cases.x for cases in every]), every[0])


def _z(r: float) -> float:
    return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))

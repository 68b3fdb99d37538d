"""Every method of building vectors on every trait of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.vectors.methods import METHODS, Method
from backend.runs.imported_vectors import (
    NamedVector,
    OnRun,
    best_layer,
    correlations,
    undefined_because,
)
from backend.store.imported_vector import ImportedVector
from backend.store.run import NOT_COMPUTED, Run
from backend.store.run_record import SIMULATED
from backend.store.run_values import CorrelationRow
from backend.store.saved_vector import SavedVector

SAVED_CHOSEN = "its choices may have been made on these scores, so no half of them is held out"
AT_A_LAYER = "no layer was chosen"
# Simulated runs go without costly methods, however often they are derived.
LEFT_OUT = "not computed in this run"


@dataclass(frozen=True)
class MethodRow:
    """One method.

    Attributes:
        name: key; a named vector's own name behind ``saved:`` or ``imported:``.
        title: on screen.
        source: where it comes from.
        fitted: fitted on scored responses; its r is over scenarios that each fit had not seen.
        saved: a vector that a user named, on one trait: saved in the Filter lab, at one layer, or
            imported.
        missing: why this run does not hold it; None if it does.
    """

    name: str
    title: str
    source: str
    fitted: bool
    saved: bool
    missing: str | None


@dataclass(frozen=True)
class MethodResult:
    """One method on one trait.

    Attributes:
        layer: the layer shown; None where r is undefined at every layer.
        of_layers: among how many layers with a vector it is the best; 1 if the layer was given.
        correlation: r at that layer with Fisher's interval, n and p; flattered by the choice of
            layer, if there was one.
        bootstrap: the same r with its BCa bootstrap interval over scenarios.
        held_out: r of the best layer on scenarios it was not chosen on.
    """

    layer: int | None
    of_layers: int
    correlation: Estimate
    bootstrap: Estimate
    held_out: Estimate

    def selection_free_r(self) -> Estimate:
        """r with no choice of layer in it: held out where a layer was chosen."""
        return self.held_out if self.of_layers > 1 else self.correlation


@dataclass(frozen=True)
class MethodGrid:
    """All methods on all traits of a run.

    Attributes:
        rows: every registered method, then the saved vectors of the run, then the imported ones of
            its traits.
        traits: in the study's order.
        results: (method, trait) -> result; what the run does not hold is not there.
        target: what r is taken over.
        outdated_range: the study's score range, where an earlier version has split the responses
            at the thresholds of scores of 0 to 10 instead; None where all is as it should be.
    """

    rows: tuple[MethodRow, ...]
    traits: tuple[str, ...]
    results: dict[tuple[str, str], MethodResult]
    target: str
    outdated_range: tuple[float, float] | None = None

    def rows_of(self, trait: str) -> list[MethodRow]:
        """All methods, but only one trait's saved vectors."""
        return [row for row in self.rows if not row.saved or (row.name, trait) in self.results]


def method_grid(
    run: Run,
    saved: Sequence[tuple[SavedVector, Cases]],
    prompt_set: str,
    layer: int | None = None,
    imported: Sequence[tuple[ImportedVector, OnRun]] = (),
) -> MethodGrid:
    """All methods on all traits of a run.

    Args:
        run: an open run.
        saved: the named vectors that were built from it and the prompt set, with their cases.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None for each method's and trait's layer with the highest r. A
            saved vector keeps its own.
        imported: imported vectors of the run's traits, at this layer or all of theirs.
    """
    held = run.methods()
    simulated = run.record.model_source == SIMULATED
    results = method_results(run, prompt_set, layer)
    rows = [
        MethodRow(
            method.name,
            method.title_on(run.label_range),
            method.source,
            method.fitted,
            False,
            None if method.name in held else _missing(method, simulated),
        )
        for method in METHODS
    ]
    for vector, cases in saved:
        name = saved_row_name(vector)
        rows.append(MethodRow(name, vector.name, "saved in the Filter lab", False, True, None))
        results[name, vector.trait] = MethodResult(
            layer=vector.layer,
            of_layers=1,
            correlation=vector.correlation,
            bootstrap=bootstrap_r(cases),
            held_out=Estimate.undefined(vector.correlation.n, SAVED_CHOSEN),
        )
    for other, found in imported:
        name = saved_row_name(other)
        rows.append(MethodRow(name, other.name, other.source, False, True, None))
        results[name, other.trait] = imported_result(found, layer)
    split = any(method.labels is not None and method.name in held for method in METHODS)
    outdated = split and run.label_range != run.score_range
    return MethodGrid(
        tuple(rows),
        tuple(run.traits),
        results,
        run.target,
        run.score_range if outdated else None,
    )


def method_results(
    run: Run, prompt_set: str, layer: int | None = None, trait: str | None = None
) -> dict[tuple[str, str], MethodResult]:
    """(method, trait) -> its result, for the methods that a run holds.

    Args:
        run: an open run.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None for each method's and trait's layer with the highest r.
        trait: only this trait; None for all.
    """
    by_vector: dict[tuple[str, str], list[CorrelationRow]] = {}
    for row in run.correlations(trait=trait, prompt_set=prompt_set, layer=layer):
        by_vector.setdefault((row.method, row.trait), []).append(row)
    if layer is not None:
        return {
            key: MethodResult(
                layer=row.layer,
                of_layers=1,
                correlation=row.correlation,
                bootstrap=row.bootstrap,
                held_out=Estimate.undefined(row.correlation.n, AT_A_LAYER),
            )
            for key, (row,) in by_vector.items()
        }
    results = {}
    for best in run.best_layers(prompt_set=prompt_set):
        key = (best.method, best.trait)
        if key in by_vector:
            rows = by_vector[key]
            # Where r is undefined at every layer, the first one says why.
            shown = next((row for row in rows if row.layer == best.layer), rows[0])
            results[key] = MethodResult(
                layer=None if shown.correlation.value is None else shown.layer,
                of_layers=best.of_layers,
                correlation=shown.correlation,
                bootstrap=shown.bootstrap,
                held_out=best.held_out,
            )
    return results


def imported_result(found: OnRun, layer: int | None) -> MethodResult:
    """An imported vector on its trait, as any method is shown.

    Args:
        found: the vector on a run.
        layer: the layer that was asked for; None for the one with the highest r.
    """
    rs = correlations(found)
    best = best_layer(rs)
    if best is None:
        none = Estimate.undefined(max(r.n for r in rs.values()), undefined_because(rs))
        return MethodResult(None, 1, none, none, none)
    candidates = {at: cases for at, cases in found.cases.items() if rs[at].value is not None}
    r = rs[best]
    return MethodResult(
        layer=best,
        of_layers=len(candidates),
        correlation=r,
        bootstrap=bootstrap_r(candidates[best]),
        held_out=Estimate.undefined(r.n, AT_A_LAYER)
        if len(candidates) == 1
        else held_out_choice(
            np.stack([cases.x for cases in candidates.values()]), candidates[best]
        ),
    )


def saved_row_name(vector: NamedVector) -> str:
    """Key of a named vector among the methods, which may share its name."""
    kind = "saved" if isinstance(vector, SavedVector) else "imported"
    return f"{kind}:{vector.name}"


def _missing(method: Method, simulated: bool) -> str:
    return LEFT_OUT if simulated and method.costly else NOT_COMPUTED

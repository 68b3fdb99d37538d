"""Every method of building vectors on every trait of a run."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS
from backend.runs.saved_vectors import SavedVector, saved_drift, saved_vectors
from backend.settings import Settings
from backend.store.connection import Connection

__all__ = [
    "MEAN_DIFFERENCE",
    "MethodCell",
    "MethodGrid",
    "MethodRow",
    "method_grid",
    "saved_of_run",
]

SAVED_CHOSEN = "its choices may have been made on these scores, so no half of them is held out"
AT_A_LAYER = "no layer was chosen"


@dataclass(frozen=True)
class MethodRow:
    """One method.

    Attributes:
        name: key; a saved vector's own name behind ``saved:``.
        title: on screen.
        source: where it comes from.
        fitted: fitted on scored responses; its r is over scenarios that each fit had not seen.
        saved: a vector that a user named, on one trait and at one layer.
        computed: whether this run holds it.
    """

    name: str
    title: str
    source: str
    fitted: bool
    saved: bool
    computed: bool


@dataclass(frozen=True)
class MethodCell:
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

    def fair(self) -> Estimate:
        """r with no choice of layer in it: held out where a layer was chosen."""
        if self.of_layers > 1:
            return self.held_out
        return self.correlation


@dataclass(frozen=True)
class MethodGrid:
    """All methods on all traits of a run.

    Attributes:
        rows: every registered method, then the saved vectors of the run.
        traits: in the study's order.
        cells: (method, trait) -> cell; methods that the run does not hold are not there.
        target: what r is taken over.
    """

    rows: tuple[MethodRow, ...]
    traits: tuple[str, ...]
    cells: dict[tuple[str, str], MethodCell]
    target: str


def method_grid(
    settings: Settings, run_id: str, prompt_set: str, layer: int | None = None
) -> MethodGrid:
    """All methods on all traits of a run.

    Args:
        settings: where the store is.
        run_id: a published run.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None for each method's and trait's layer with the highest r.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        traits = [
            row[0]
            for row in connection.execute("SELECT trait FROM traits ORDER BY position").fetchall()
        ]
        target = connection.execute("SELECT target FROM study").fetchall()[0][0]
        cells = _cells(connection, prompt_set, layer)
    held = {method for method, _ in cells}
    rows = [MethodRow(m.name, m.title, m.source, m.fitted, False, m.name in held) for m in METHODS]
    for vector in saved_of_run(settings, run_id, prompt_set):
        name = f"saved:{vector.name}"
        rows.append(MethodRow(name, vector.name, "saved in the Filter lab", False, True, True))
        cells[name, vector.trait] = _saved_cell(settings, vector)
    return MethodGrid(tuple(rows), tuple(traits), cells, target)


def saved_of_run(settings: Settings, run_id: str, prompt_set: str) -> tuple[SavedVector, ...]:
    """The named vectors that were built from a run and prompt set, oldest first."""
    return tuple(
        vector
        for vector in saved_vectors(settings)
        if (vector.run_id, vector.prompt_set) == (run_id, prompt_set)
    )


def _cells(
    connection: Connection, prompt_set: str, layer: int | None
) -> dict[tuple[str, str], MethodCell]:
    best = {
        (method, trait): rest
        for method, trait, *rest in connection.execute(
            "SELECT method, trait, layer, of_layers, held_out_r, held_out_low, held_out_high,"
            " held_out_p, reason FROM best_layers WHERE prompt_set = ?",
            [prompt_set],
        ).fetchall()
    }
    rows = connection.execute(
        "SELECT method, trait, layer, n, r, low, high, p, boot_low, boot_high, reason"
        " FROM correlations WHERE prompt_set = ? AND (?::INTEGER IS NULL OR layer = ?)"
        " ORDER BY method, trait, layer",
        [prompt_set, layer, layer],
    ).fetchall()
    by_cell: dict[tuple[str, str], list[tuple[int, Estimate, Estimate]]] = {}
    for method, trait, at, n, r, low, high, p, boot_low, boot_high, reason in rows:
        correlation = Correlation(n, r, low, high, p, reason)
        bootstrap = Estimate(r, boot_low, boot_high, None, n, reason)
        by_cell.setdefault((method, trait), []).append((at, correlation, bootstrap))
    found = {}
    for key, candidates in by_cell.items():
        n = candidates[0][1].n
        held = Estimate.undefined(n, AT_A_LAYER)
        wanted, of_layers = layer, 1
        if layer is None:
            wanted, of_layers, r, low, high, p, reason = best[key]
            reason = None if r is not None else reason or "undefined on halves of the scenarios"
            held = Estimate(r, low, high, p, n, reason)
        shown = next((c for c in candidates if c[0] == wanted), candidates[0])
        undefined = shown[1].r is None
        found[key] = MethodCell(
            layer=None if undefined and layer is None else shown[0],
            of_layers=of_layers,
            correlation=shown[1],
            bootstrap=shown[2],
            held_out=held,
        )
    return found


def _saved_cell(settings: Settings, vector: SavedVector) -> MethodCell:
    own = saved_drift(settings, vector)
    c = vector.correlation
    return MethodCell(
        layer=vector.layer,
        of_layers=1,
        correlation=c,
        bootstrap=bootstrap_r(own.drift, own.behaviour, own.scenarios),
        held_out=Estimate.undefined(c.n, SAVED_CHOSEN),
    )

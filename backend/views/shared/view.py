"""What a report shows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from backend.errors import ExportError
from backend.store.run_values import RunSummary


@dataclass(frozen=True)
class View:
    """What a report shows.

    Attributes:
        runs: runs of one study, oldest first, that are compared with each other.
        shown: those of them that are shown one by one, too.
        traits: the traits shown one by one.
        prompt_set: which prompts the vectors are built from.
        layer: the layer shown everywhere; None for the best of each cell.
    """

    runs: tuple[RunSummary, ...]
    shown: tuple[RunSummary, ...]
    traits: tuple[str, ...]
    prompt_set: str
    layer: int | None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the compared runs."""
        return tuple(run.run_id for run in self.runs)

    @property
    def simulated(self) -> bool:
        """Whether any run's activations were simulated."""
        return any(run.simulated for run in self.runs)

    def query(self, run: RunSummary | None = None, trait: str | None = None) -> str:
        """The part of the dashboard's address after ``?`` that opens this view again."""
        chosen = run or self.shown[-1]
        parts = {"study": chosen.study_key}
        if len(chosen.prompt_sets) > 1:
            parts["prompts"] = self.prompt_set
        parts |= {
            "run": chosen.record.run_id,
            "trait": trait or self.traits[0],
            "layer": "best" if self.layer is None else str(self.layer),
        }
        return urlencode(parts, safe="@")


def checked(view: View) -> View:
    """The view, if its runs have what it asks for.

    Raises:
        ExportError: a trait, prompt set or layer is in none of the shown runs.
    """
    known: list[tuple[str, object, set[object]]] = [
        ("prompt set", view.prompt_set, {name for run in view.shown for name in run.prompt_sets})
    ]
    known += [
        ("trait", t, {name for run in view.shown for name in run.traits}) for t in view.traits
    ]
    if view.layer is not None:
        layers = {layer for run in view.shown for layer in run.record.layers}
        known.append(("layer", view.layer, set(layers)))
    for kind, value, there in known:
        if value not in there:
            raise ExportError(
                f"The shown runs have no {kind} {value}.",
                expected=f"one of {', '.join(sorted(map(str, there)))}.",
                remedy=f"choose a {kind} of the run.",
            )
    return view

"""Is there a better layer?"""

from __future__ import annotations

import streamlit as st

from backend.store.run import Run
from backend.store.run_values import CellResult
from backend.views.layers import words
from backend.views.layers.compute import LayerChoice, choice_of, layer_choices
from backend.views.layers.figures import (
    INTERVALS,
    LEFT_PANELS,
    RIGHT_PANELS,
    metric_panels,
    r_by_layer,
    r_heatmap,
)
from backend.views.layers.multiples import models_heatmap
from backend.views.layers.tables import choice_rows
from pages.shared import data
from pages.shared.address import segmented, several
from pages.shared.figures import picked, show
from pages.shared.names import column_names
from pages.shared.plain import as_text
from pages.shared.sidebar import BEST, Selection, run_name, selection
from pages.shared.states import require_run

_CHART = "r_by_layer"
# At first; any others can be added.
_BESIDE = 3
_VIEWS = {
    "r": "r by layer",
    "traits": "Every trait",
    "models": "Every model",
    "prompts": "Prompts by layer",
}
_COMPARED = {"none": "nothing", "runs": "other runs", "traits": "all traits"}


def _use(layer: str) -> None:
    """Make a layer the sidebar's, for all pages."""
    st.session_state["layer"] = layer


def _use_clicked() -> None:
    layer = picked(_CHART)
    if layer is not None:
        _use(str(layer))


def _buttons(choice: LayerChoice, chosen: Selection) -> None:
    """Put the best layer, or none, into the sidebar."""
    if choice.layer is not None and chosen.layer != choice.layer:
        st.button(
            f"Use layer {choice.layer} on all pages",
            on_click=_use,
            args=(str(choice.layer),),
            icon=":material/push_pin:",
        )
    if chosen.layer is not None:
        st.button(
            "Back to the best layer per trait",
            on_click=_use,
            args=(BEST,),
            icon=":material/undo:",
        )


def _cells(run_id: str, prompt_set: str) -> tuple[CellResult, ...]:
    return data.results().of_run(Run.cells, run_id, prompt_set=prompt_set)


def _compared(chosen: Selection, run_id: str, what: str) -> dict[str, tuple[CellResult, ...]]:
    """Name -> cells of other runs or traits, as the switch says."""
    if what == "runs":
        names = {run.run_id: run_name(run) for run in chosen.runs if run.run_id != run_id}
        beside = several("Runs beside it", list(names), "layer_runs", names, list(names)[-_BESIDE:])
        return {
            names[other]: tuple(
                cell for cell in _cells(other, chosen.prompt_set) if cell.key.trait == chosen.trait
            )
            for other in beside
        }
    if what == "none":
        return {}
    found: dict[str, tuple[CellResult, ...]] = {}
    for cell in _cells(run_id, chosen.prompt_set):
        if cell.key.trait != chosen.trait:
            name = cell.key.trait.replace("_", " ")
            found[name] = (*found.get(name, ()), cell)
    return found


def _models(selected: Selection) -> None:
    """Every trait at every layer, one panel a run."""
    names = column_names(selected.runs)
    by_id = {run.run_id: name for run, name in zip(selected.runs, names, strict=True)}
    wanted = list(by_id)[-_BESIDE:]
    if len(by_id) > 1:
        wanted = several("Runs shown", list(by_id), "layer_models", by_id, wanted) or wanted
    models = {
        by_id[run_id]: (
            _cells(run_id, selected.prompt_set),
            data.results().of_run(
                layer_choices, run_id, selected.prompt_set, data.results().thresholds
            ),
        )
        for run_id in wanted
    }
    st.caption(f"{words.MODELS} {words.HEATMAP}")
    show(models_heatmap(models), "models", "r of every trait at every layer, by model")


def _by_layer(selected: Selection, run_id: str, view: str) -> None:
    """r, or the metrics of the prompts, of one trait over the layers."""
    thresholds = data.results().thresholds
    choices = data.results().of_run(layer_choices, run_id, selected.prompt_set, thresholds)
    choice = choice_of(choices, selected.trait)
    own = tuple(
        cell for cell in _cells(run_id, selected.prompt_set) if cell.key.trait == selected.trait
    )
    left, right = st.columns(2)
    with left:
        compare = segmented(
            "Compare with",
            list(_COMPARED),
            "compare",
            _COMPARED,
            help="Thin grey lines in the charts below; hover for their names.",
        )
    faint = _compared(selected, run_id, compare)
    if view == "r":
        with right:
            interval = segmented("95% interval", list(INTERVALS), "interval", INTERVALS)
        st.caption(f"{words.R_BY_LAYER} Click a point to use its layer on all pages.")
        show(
            r_by_layer(
                own, choice, thresholds, interval=interval, faint=faint, marked=selected.layer
            ),
            _CHART,
            f"r of {selected.trait.replace('_', ' ')} by layer, with its 95% interval",
            on_pick=_use_clicked,
        )
        return
    st.caption(f"{words.UNITS} {words.PANEL_LINES}")
    left, right = st.columns(2)
    for place, panels, key in ((left, LEFT_PANELS, "left"), (right, RIGHT_PANELS, "right")):
        with place:
            show(
                metric_panels(panels, own, choice.layer, faint, logarithmic=compare == "runs"),
                key,
                f"By layer: {', '.join(panel.title for panel in panels)}",
            )


chosen = selection()
st.title("Is there a better layer?")
run = require_run(chosen)
run_id = run.run_id

with data.faults_shown():
    thresholds = data.results().thresholds
    choices = data.results().of_run(layer_choices, run_id, chosen.prompt_set, thresholds)
    choice = choice_of(choices, chosen.trait)
    every = _cells(run_id, chosen.prompt_set)
    own = tuple(cell for cell in every if cell.key.trait == chosen.trait)
    st.markdown(f"**{words.choice_sentence(choice)}**")
    shown = choice.layer if chosen.layer is None else chosen.layer
    at_layer = next((cell for cell in own if cell.key.layer == shown), None)
    if at_layer is not None:
        st.markdown(words.layer_sentence(at_layer))
    st.caption(as_text(f"{chosen.trait.replace('_', ' ')} on {run_name(run)}"))
    with st.container(horizontal=True):
        _buttons(choice, chosen)
    view = segmented("Show", list(_VIEWS), "layers_view", _VIEWS)
    if view == "traits":
        st.caption(words.HEATMAP)
        show(r_heatmap(every, choices, chosen.trait), "heatmap", "r of every trait at every layer")
        st.caption(words.BEST_LAYERS)
        st.dataframe(choice_rows(choices), hide_index=True, width="stretch")
    elif view == "models":
        _models(chosen)
    else:
        _by_layer(chosen, run_id, view)

"""Is there a better layer?"""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import CellResult
from backend.views.layers.compute import LayerChoice
from backend.views.layers.figures import INTERVALS, r_by_layer, r_heatmap
from backend.views.layers.metric_figures import LEFT, RIGHT, metric_panels
from backend.views.layers.words import choice_rows, choice_sentence, layer_sentence
from pages.shared import data
from pages.shared.address import segmented
from pages.shared.figures import picked, show
from pages.shared.sidebar import BEST, Selection, run_name, selection
from pages.shared.states import require_run

_CHART = "r_by_layer"
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


def _compared(chosen: Selection, run_id: str, what: str) -> dict[str, tuple[CellResult, ...]]:
    """Name -> cells of other runs or traits, as the switch says."""
    if what == "runs":
        return {
            run_name(run): tuple(
                cell
                for cell in data.run_cells(run.record.run_id, chosen.prompt_set)
                if cell.key.trait == chosen.trait
            )
            for run in chosen.runs
            if run.record.run_id != run_id
        }
    if what == "none":
        return {}
    found: dict[str, tuple[CellResult, ...]] = {}
    for cell in data.run_cells(run_id, chosen.prompt_set):
        if cell.key.trait != chosen.trait:
            name = cell.key.trait.replace("_", " ")
            found[name] = (*found.get(name, ()), cell)
    return found


chosen = selection()
st.title("Is there a better layer?")
run = require_run(chosen)
run_id = run.record.run_id

with data.faults_shown():
    choices = data.layer_choices(run_id, chosen.prompt_set)
    choice = next(found for found in choices if found.trait == chosen.trait)
    every = data.run_cells(run_id, chosen.prompt_set)
    own = tuple(cell for cell in every if cell.key.trait == chosen.trait)
    st.caption(f"{chosen.trait.replace('_', ' ')} on {run_name(run)}")
    st.markdown(choice_sentence(choice))
    shown = choice.layer if chosen.layer is None else chosen.layer
    at_layer = next((cell for cell in own if cell.key.layer == shown), None)
    if at_layer is not None:
        st.markdown(layer_sentence(at_layer))
    with st.container(horizontal=True):
        _buttons(choice, chosen)

    left, right = st.columns(2)
    with left:
        compare = segmented(
            "Compare with",
            list(_COMPARED),
            "compare",
            _COMPARED,
            help="Thin grey lines in the charts below; hover for their names.",
        )
    with right:
        interval = segmented("95% interval", list(INTERVALS), "interval", INTERVALS)
    faint = _compared(chosen, run_id, compare)
    st.subheader("r by layer")
    st.caption(
        "A layer beats chance where its point lies outside both grey bands: they hold 95% of the r "
        "of vectors that know nothing of the trait. Click a point to use its layer on all pages."
    )
    show(
        r_by_layer(
            own,
            choice,
            data.settings().thresholds,
            interval="bootstrap" if interval == "bootstrap" else "fisher",
            faint=faint,
            marked=chosen.layer,
        ),
        _CHART,
        on_pick=_use_clicked,
    )

    st.subheader("Every trait of this run")
    st.caption(
        "The best of several layers is flattered by the choice. p counts that choice (permutations "
        "of the maximum over layers, one-sided), adjusted p also that there are several traits "
        "(Benjamini-Hochberg), and held-out r is measured on scenarios the layer was not chosen on."
    )
    st.dataframe(choice_rows(choices), hide_index=True, width="stretch")
    st.caption(
        "A real signal changes smoothly over layers and shows as a broad orange stretch; a lone "
        "orange cell is more likely chance. The best layer of each trait is framed."
    )
    show(r_heatmap(every, choices, chosen.trait), "heatmap")

    st.subheader("The prompts by layer")
    st.caption(
        "Separation and within-class variance grow with the activations from layer to layer, so "
        "read their neighbours on the right, which have no units. The dotted line is the best "
        "layer; long dashes are chance."
    )
    logarithmic = compare == "runs"
    left, right = st.columns(2)
    with left:
        show(metric_panels(LEFT, own, choice.layer, faint, logarithmic=logarithmic), "left")
    with right:
        show(metric_panels(RIGHT, own, choice.layer, faint, logarithmic=logarithmic), "right")

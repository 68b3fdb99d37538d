"""What would filtering do?"""

from __future__ import annotations

import dataclasses
import html

import streamlit as st

from backend.runs.saved_vectors import save_vector
from backend.store.run_values import RunSummary
from backend.views.filter_lab import tables
from backend.views.filter_lab.axis import Pipeline, effective
from backend.views.filter_lab.cells import Key
from backend.views.filter_lab.compute import LabView, lab_view, published_layer
from backend.views.filter_lab.figures import dimmed_heatmap, layer_curves, threshold_curve
from backend.views.filter_lab.words import headline
from pages.shared import data, lab_data
from pages.shared.address import several
from pages.shared.figures import text_colour
from pages.shared.lab_controls import pipeline_controls, presets, threshold_slider
from pages.shared.live_figures import show_live
from pages.shared.names import column_names
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

Runs = tuple[str, ...]
_LAST = "lab_last"
_FILLED = "lab_filled"
_NOW = "lab_now"
# Presses the button below once nothing has been redrawn for 0.45 s: the server is not polled, and
# no run of the script stands in the way of the next move. Tried again where the button came late.
_WHEN_AT_REST = """<script>
{
  let ticks = 0, pressed = false;
  clearInterval(window.labRest);
  window.labRest = setInterval(() => {
    const button = document.querySelector(".st-key-lab_fill button");
    const app = document.querySelector("[data-testid=stApp]");
    ticks += 1;
    if (ticks > 400 || (pressed && !button)) clearInterval(window.labRest);
    else if (button && ticks % 6 === 3 && app?.dataset.testScriptState !== "running") {
      button.click();
      pressed = true;
    }
  }, 150);
}
</script>"""
_LAYOUT = """<style>
.st-key-lab_rest { position: relative; }
.st-key-lab_fill { position: absolute; right: 0; top: -2rem; width: auto; }
</style>"""


def _flash(view: LabView, runs: Runs) -> set[tuple[str, str]]:
    """Cells whose status changed with the last move."""
    statuses = {key: change.after_status for key, change in view.card.items()}
    known, before = st.session_state.get(_LAST, (None, {}))
    st.session_state[_LAST] = (runs, statuses)
    if known != runs:
        return set()
    return {key for key, status in statuses.items() if before.get(key, status) != status}


@st.fragment
def _lab(chosen: Selection, runs: Runs, labels: list[str], place: Key) -> None:
    """All controls; those above the slider draw everything below them anew."""
    presets()
    pipeline = pipeline_controls(lab_data.metrics(runs))
    _moving(chosen, runs, labels, place, pipeline)
    _save(chosen.prompt_set, place)


@st.fragment
def _moving(
    chosen: Selection, runs: Runs, labels: list[str], place: Key, unfiltered: Pipeline
) -> None:
    """The slider and all that moves with it: as few elements as can be, for each takes time."""
    prompt_set, limits, text = chosen.prompt_set, data.settings().thresholds, text_colour()
    cosines = lab_data.cosines(runs, prompt_set, unfiltered)
    threshold, end = threshold_slider(unfiltered, cosines)
    pipeline = dataclasses.replace(unfiltered, threshold=threshold)
    st.session_state[_NOW] = pipeline
    view = lab_view(
        lab_data.base(runs, prompt_set),
        lab_data.stack(runs, prompt_set, pipeline.metric),
        cosines,
        pipeline,
        place,
        chosen.layer,
        limits,
    )
    st.html(headline(view, lab_data.metric_note(place, pipeline.metric)))
    left, right = st.columns(2)
    with left:
        st.markdown(
            "##### r along the whole threshold axis\n:small[A lone peak is more likely luck than a "
            "long stretch above the published r.]"
        )
        steps = None
        if pipeline.filter_reference != "none":
            steps = lab_data.steps(runs, prompt_set, unfiltered, place)
        if steps is None:
            st.info(view.refusal or "There is no axis without a filter.")
        else:
            show_live(threshold_curve(view, steps, cosines, end, limits, text), "axis")
    with right:
        st.markdown(
            "##### r by layer, published and now\n:small[The two share their scores, so the paired "
            "test below says more than whether the bands overlap.]"
        )
        show_live(layer_curves(view, text), "layers")
    _rest(runs, prompt_set, pipeline, place)
    traits = [trait for trait in chosen.runs[-1].traits if any(t == trait for _, t in view.card)]
    card = tables.card_table(
        view, runs, labels, traits, _flash(view, runs), best=chosen.layer is None
    )
    st.html(
        tables.two_columns(
            (f"The whole scorecard: {tables.moves_text(view)}", card),
            ("Every metric of this cell", tables.metrics_table(view)),
        )
    )
    left, right = st.columns([3, 2])
    with left:
        st.markdown("##### Kept and dropped prompts")
        st.html(tables.prompts_table(view, lab_data.texts(place[0], place[1], prompt_set)))
    with right:
        st.markdown(f"##### Cosines between prompts\n:small[{tables.colours_text(view)}]")
        show_live(dimmed_heatmap(view, text), "heatmap")


def _fill(setting: tuple[Runs, str, Pipeline, Key]) -> None:
    st.session_state[_FILLED] = setting


@st.fragment
def _rest(runs: Runs, prompt_set: str, pipeline: Pipeline, place: Key) -> None:
    """Intervals, filled in when the slider rests."""
    setting = (runs, prompt_set, pipeline, place)
    with st.container(key="lab_rest"):
        if st.session_state.get(_FILLED) == setting:
            with data.faults_shown():
                st.html(tables.rest_table(lab_data.rest(*setting)))
            return
        words = html.escape(f"{pipeline.to_dict()} {place}")
        st.html(
            f"{tables.rest_table(None)}<!-- {words} -->{_WHEN_AT_REST}",
            unsafe_allow_javascript=True,
        )
        st.button("Fill in now", key="lab_fill", type="tertiary", on_click=_fill, args=(setting,))


@st.fragment
def _save(prompt_set: str, place: Key) -> None:
    """Keep the vector under a name."""
    with st.expander("Save this vector", icon=":material/bookmark_add:"), st.form("save"):
        st.caption(
            "Its r is kept with it as it stands now. If you chose the settings by looking at r, "
            "that r is flattered; the held-out figure above is not."
        )
        name = st.text_input(
            "Name", placeholder="warmth-l19-filtered", help="Small letters, digits and dashes."
        )
        if st.form_submit_button("Save"):
            run_id, trait, layer = place
            with data.faults_shown():
                saved = save_vector(
                    data.settings(),
                    name.strip(),
                    run_id,
                    trait,
                    prompt_set,
                    layer,
                    effective(st.session_state[_NOW]),
                )
                st.success(
                    f"Saved as **{saved.name}**: {saved.pipeline.label}, built from "
                    f"{len(saved.prompt_ids)} prompts of layer {layer}."
                )


def _page(chosen: Selection, run: RunSummary) -> None:
    by_id = {found.record.run_id: found for found in chosen.runs}
    run_id = run.record.run_id
    default = [*[other for other in by_id if other != run_id][-2:], run_id]
    picked = several(
        "Runs on the scorecard",
        list(by_id),
        "lab_runs",
        {key: run_name(found) for key, found in by_id.items()},
        default,
    )
    runs = tuple(key for key in by_id if key in picked or key == run_id)
    labels = column_names([by_id[key] for key in runs])
    layer = chosen.layer
    if layer is None:
        layer = published_layer(lab_data.base(runs, chosen.prompt_set), run_id, chosen.trait)
    st.html(tables.STYLE + _LAYOUT)
    _lab(chosen, runs, labels, (run_id, chosen.trait, layer))


chosen = selection()
st.title("What would filtering do?")
run = require_run(chosen)
with data.faults_shown():
    _page(chosen, run)

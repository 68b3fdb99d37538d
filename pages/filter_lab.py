"""What would filtering do?"""

from __future__ import annotations

import dataclasses
import html

import streamlit as st

from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.store.run import Run
from backend.store.run_values import RunSummary
from backend.views.filter_lab import tables, words
from backend.views.filter_lab.axis import effective
from backend.views.filter_lab.compute import LabView, lab_view, prompt_texts, published_layer
from backend.views.filter_lab.figures import dimmed_heatmap, layer_curves, threshold_curve
from backend.views.filter_lab.intervals import lab_intervals
from backend.views.filter_lab.stack import LabStack, RunCell, lab_stack
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import several
from pages.shared.figures import text_colour
from pages.shared.lab_controls import pipeline_controls, presets, threshold_slider
from pages.shared.live_figures import show_live
from pages.shared.live_threshold import follow_threshold
from pages.shared.names import column_names
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

Runs = tuple[str, ...]
_LAST = "lab_last"
_FILLED = "lab_filled"
_NOW = "lab_now"
_READING = "Reading the study's cells"
_NAME, _SAVED = "lab_name", "lab_saved"
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


def _stack(runs: Runs, prompt_set: str, metric: str) -> LabStack:
    """The study's cells, read once for each inner product."""
    return data.arrays().of_runs(lab_stack, runs, prompt_set, metric)


def _flash(view: LabView, runs: Runs) -> set[tuple[str, str]]:
    """Cells whose status changed with the last move."""
    statuses = {key: change.after_status for key, change in view.card.items()}
    known, before = st.session_state.get(_LAST, (None, {}))
    st.session_state[_LAST] = (runs, statuses)
    if known != runs:
        return set()
    return {key for key, status in statuses.items() if before.get(key, status) != status}


@st.fragment
def _lab(chosen: Selection, runs: Runs, labels: list[str], place: RunCell) -> None:
    """All controls; those above the slider draw everything below them anew."""
    presets()
    pipeline = pipeline_controls(_stack(runs, chosen.prompt_set, IDENTITY).titles)
    with st.spinner(_READING):
        _stack(runs, chosen.prompt_set, pipeline.metric)
    _moving(chosen, runs, labels, place, pipeline)
    _save(chosen.prompt_set, place)


@st.fragment
def _moving(
    chosen: Selection, runs: Runs, labels: list[str], place: RunCell, unfiltered: Pipeline
) -> None:
    """The slider and all that moves with it: as few elements as can be, for each takes time."""
    prompt_set, limits, text = chosen.prompt_set, data.results().thresholds, text_colour()
    results, (run_id, trait, layer) = data.results(), place
    stack = _stack(runs, prompt_set, unfiltered.metric)
    cosines = stack.cosine_range(unfiltered)
    threshold, end = threshold_slider(unfiltered, cosines)
    pipeline = dataclasses.replace(unfiltered, threshold=threshold)
    st.session_state[_NOW] = pipeline
    base = _stack(runs, prompt_set, IDENTITY)
    view = lab_view(base, stack, pipeline, place, chosen.layer, limits)
    note = ""
    if pipeline.metric != IDENTITY:
        note = results.of_run(Run.inner_product_note, run_id, pipeline.metric, trait, layer)
    st.html(tables.headline(view, note))
    left, right = st.columns(2)
    with left:
        steps = stack.steps(place, unfiltered)
        st.markdown(
            "##### r along the whole threshold axis\n:small[A lone peak is more likely luck than a "
            f"long stretch above the published r.{words.steps_text(steps) if steps else ''}]"
        )
        if steps is None:
            st.info(view.refusal or "There is no axis without a filter.")
        else:
            show_live(threshold_curve(view, steps, cosines, end, limits, text), "axis")
            follow_threshold(view, steps, cosines)
    with right:
        st.markdown(
            "##### r by layer, published and now\n:small[The two share their scores, so the paired "
            "test below says more than whether the bands overlap.]"
        )
        show_live(layer_curves(view, text), "layers")
    _intervals(prompt_set, pipeline, place)
    shown = {of_trait for _, of_trait in view.card}
    traits = [of_trait for of_trait in chosen.runs[-1].traits if of_trait in shown]
    card = tables.card_table(
        view, runs, labels, traits, _flash(view, runs), best=chosen.layer is None
    )
    st.html(
        tables.two_columns(
            (f"The whole scorecard: {words.moves_text(view)}", card),
            ("Every metric of this cell", tables.metrics_table(view)),
        )
    )
    left, right = st.columns([3, 2])
    with left:
        st.markdown("##### Kept and dropped prompts")
        texts = results.of_run(prompt_texts, run_id, trait, prompt_set)
        st.html(tables.prompts_table(view, texts))
    with right:
        st.markdown(f"##### Cosines between prompts\n:small[{words.colours_text(view)}]")
        show_live(dimmed_heatmap(view, text), "heatmap")


def _fill(setting: tuple[str, Pipeline, RunCell]) -> None:
    st.session_state[_FILLED] = setting


@st.fragment
def _intervals(prompt_set: str, pipeline: Pipeline, place: RunCell) -> None:
    """Intervals, filled in when the slider rests."""
    setting = (prompt_set, pipeline, place)
    with st.container(key="lab_rest"):
        if st.session_state.get(_FILLED) == setting:
            with data.faults_shown():
                run_id, trait, layer = place
                found = data.results().of_run(
                    lab_intervals, run_id, trait, prompt_set, layer, pipeline
                )
                st.html(tables.intervals_table(found))
            return
        described = html.escape(f"{pipeline.to_dict()} {place}")
        st.html(
            f"{tables.intervals_table(None)}<!-- {described} -->{_WHEN_AT_REST}",
            unsafe_allow_javascript=True,
        )
        st.button("Fill in now", key="lab_fill", type="tertiary", on_click=_fill, args=(setting,))


@st.fragment
def _save(prompt_set: str, place: RunCell) -> None:
    """Keep the vector under a name."""
    with st.expander("Save this vector", icon=":material/bookmark_add:"), st.form("save"):
        st.caption(
            "Its r is kept with it as it stands now. If you chose the settings by looking at r, "
            "that r is flattered; the held-out figure above is not."
        )
        st.text_input(
            "Name",
            placeholder="warmth-l19-filtered",
            key=_NAME,
            help="Small letters, digits and dashes.",
        )
        st.form_submit_button("Save", on_click=act, args=(_SAVED, _keep, prompt_set, place))
        fault_shown(_SAVED)
        saved = st.session_state.pop(_SAVED, None)
        if saved is not None:
            st.success(
                f"Saved as **{saved.name}**: {saved.pipeline.label}, built from "
                f"{len(saved.prompt_ids)} prompts of layer {saved.layer}."
            )


def _keep(prompt_set: str, place: RunCell) -> None:
    run_id, trait, layer = place
    st.session_state[_SAVED] = save_vector(
        data.settings(),
        st.session_state[_NAME].strip(),
        run_id,
        trait,
        prompt_set,
        layer,
        effective(st.session_state[_NOW]),
    )


def _page(chosen: Selection, run: RunSummary) -> None:
    by_id = {found.run_id: found for found in chosen.runs}
    run_id = run.run_id
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
    with st.spinner(_READING):
        base = _stack(runs, chosen.prompt_set, IDENTITY)
    best = published_layer(base, run_id, chosen.trait)
    if best is None:
        st.info("This run has no prompts of the chosen trait in the chosen set.")
        return
    layer = best if chosen.layer is None else chosen.layer
    st.html(tables.STYLE + _LAYOUT)
    _lab(chosen, runs, labels, (run_id, chosen.trait, layer))


chosen = selection()
st.title("What would filtering do?")
run = require_run(chosen)
with data.faults_shown():
    _page(chosen, run)

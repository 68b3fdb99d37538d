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
from backend.views.filter_lab.named import beside, named_choices, named_r
from backend.views.filter_lab.stack import LabStack, RunCell, lab_stack
from backend.views.prompts.compute import prompt_view
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import segmented, select, several
from pages.shared.chart_click import Click, on_click
from pages.shared.evidence import read_evidence
from pages.shared.figures import text_colour
from pages.shared.lab_controls import pipeline_controls, presets, threshold_slider
from pages.shared.lab_link import recall, remember
from pages.shared.live_figures import show_live
from pages.shared.live_threshold import follow_threshold
from pages.shared.names import column_names
from pages.shared.notes import notes_expander
from pages.shared.prompt_basket import basket_bar, basket_of, keep, saved_shown
from pages.shared.prompt_card import pick, prompt_card
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

Runs = tuple[str, ...]
# Prompt set, pipeline, cell, and the named vector beside it.
_Setting = tuple[str, Pipeline, RunCell, str | None]
_NONE = "none"
_LAST = "lab_last"
_FILLED = "lab_filled"
_READING = "Reading the study's cells"
_NAME, _SAVED = "lab_name", "lab_saved"
_MORE = {
    "card": "Scorecard",
    "prompts": "Prompts",
    "layers": "Layers",
    "metrics": "Metrics",
    "evidence": "Conversations",
}
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
def _lab(chosen: Selection, run: RunSummary) -> None:
    """The settings, and all that they draw anew."""
    with st.popover("Settings", icon=":material/tune:", key="lab_settings"):
        presets()
        runs = _runs_picked(chosen, run)
        with st.spinner(_READING):
            base = _stack(runs, chosen.prompt_set, IDENTITY)
        pipeline = pipeline_controls(base.titles)
        named = _named_picked(run.run_id, chosen.trait)
    with st.spinner(_READING):
        _stack(runs, chosen.prompt_set, pipeline.metric)
    best = published_layer(base, run.run_id, chosen.trait)
    if best is None:
        st.info("This run has no prompts of the chosen trait in the chosen set.")
        return
    place = (run.run_id, chosen.trait, best if chosen.layer is None else chosen.layer)
    _moving(chosen, run, runs, place, pipeline, named)
    notes_expander(run, chosen.trait, chosen.prompt_set, place[2])


def _named_picked(run_id: str, trait: str) -> str | None:
    """The saved or imported vector that stands beside the lab's own, if any."""
    titles = data.results().with_saved(named_choices, [run_id], trait)
    if not titles:
        return None
    picked = select(
        "Saved or imported vector beside it",
        [_NONE, *titles],
        "lab_beside",
        {_NONE: "none"} | titles,
        help="Its r at this layer, on the same responses, and its cosine with the lab's vector.",
    )
    return None if picked == _NONE else picked


def _runs_picked(chosen: Selection, run: RunSummary) -> Runs:
    """The runs on the lab's scorecard, the shown one always among them."""
    by_id = {found.run_id: found for found in chosen.runs}
    default = [*[other for other in by_id if other != run.run_id][-2:], run.run_id]
    names = {key: run_name(found) for key, found in by_id.items()}
    picked = several("Runs on the scorecard", list(by_id), "lab_runs", names, default)
    return tuple(key for key in by_id if key in picked or key == run.run_id)


@st.fragment
def _moving(
    chosen: Selection,
    run: RunSummary,
    runs: Runs,
    place: RunCell,
    unfiltered: Pipeline,
    named: str | None,
) -> None:
    """The slider and all that moves with it: as few elements as can be, for each takes time."""
    prompt_set, limits, text = chosen.prompt_set, data.results().thresholds, text_colour()
    results, (run_id, trait, layer) = data.results(), place
    stack = _stack(runs, prompt_set, unfiltered.metric)
    cosines = stack.cosine_range(unfiltered)
    threshold, end = threshold_slider(unfiltered, cosines)
    pipeline = dataclasses.replace(unfiltered, threshold=threshold)
    remember(pipeline)
    base = _stack(runs, prompt_set, IDENTITY)
    view = lab_view(base, stack, pipeline, place, chosen.layer, limits)
    note = ""
    if pipeline.metric != IDENTITY:
        note = results.of_run(Run.inner_product_note, run_id, pipeline.metric, trait, layer)
    st.html(tables.headline(view, note))
    steps = stack.steps(place, unfiltered)
    if steps is None:
        st.info(view.refusal or "Without a filter there is no threshold to move.")
    else:
        line = None
        if named is not None:
            name, r = results.with_saved(named_r, [run_id], named, layer)
            line = None if r.value is None else (name, r.value)
        curve = threshold_curve(view, steps, cosines, end, limits, text, line)
        show_live(curve, "axis", "r at every threshold of the filter")
        follow_threshold(view, steps, cosines)
        st.caption(words.AXIS + words.steps_text(steps))
    _intervals(prompt_set, pipeline, place, named)
    _save(prompt_set, place, view)
    more = segmented("More", list(_MORE), "lab_more", _MORE)
    if more == "card":
        shown = {of_trait for _, of_trait in view.card}
        traits = [of_trait for of_trait in chosen.runs[-1].traits if of_trait in shown]
        by_id = {found.run_id: found for found in chosen.runs}
        labels = column_names([by_id[key] for key in runs])
        flash = _flash(view, runs)
        card = tables.card_table(view, runs, labels, traits, flash, best=chosen.layer is None)
        st.html(tables.titled(f"The whole scorecard: {words.moves_text(view)}", card))
    elif more == "prompts":
        _prompts(chosen, run, view, text)
    elif more == "layers":
        st.caption(words.LAYERS)
        show_live(layer_curves(view, text), "layers", "r by layer, before and with these settings")
    elif more == "metrics":
        st.html(tables.titled("Every metric of this cell", tables.metrics_table(view)))
    else:
        read_evidence(run_id, trait, prompt_set, layer, effective(pipeline))


def _prompts(chosen: Selection, run: RunSummary, view: LabView, text: str) -> None:
    """Which prompts pass, the cosines between them, and the open prompt."""
    _, trait, layer = view.place
    results, prompt_set = data.results(), chosen.prompt_set
    basket_bar(chosen, run, layer)
    texts = results.of_run(prompt_texts, run.run_id, trait, prompt_set)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.html(tables.titled("Kept and dropped prompts", tables.prompts_table(view, texts)))
        filtered = [prompt.prompt_id for prompt in view.prompts if not prompt.kept]
        if filtered:
            st.button(
                words.basket_label(len(filtered)),
                icon=":material/playlist_remove:",
                on_click=_to_basket,
                args=(run, filtered),
            )
    with right:
        st.markdown(f"##### Cosines between prompts\n:small[{words.colours_text(view)}]")
        show_live(dimmed_heatmap(view, texts, text), "heatmap", "Cosine of every pair of prompts")

        def opened(click: Click) -> None:
            pick(view.prompts[view.cosines.spans[click.place[0]][0]].prompt_id)

        on_click("heatmap", opened)
        found = results.of_run(prompt_view, run.run_id, trait, prompt_set, layer, clustered=True)
        prompt_card(found, run)


def _to_basket(run: RunSummary, numbers: list[int]) -> None:
    keep(run, basket_of(run).drop(*numbers))


def _fill(setting: _Setting) -> None:
    st.session_state[_FILLED] = setting


@st.fragment
def _intervals(prompt_set: str, pipeline: Pipeline, place: RunCell, named: str | None) -> None:
    """Intervals, filled in when the slider rests."""
    setting = (prompt_set, pipeline, place, named)
    name = "" if named is None else named.partition(":")[2]
    with st.container(key="lab_rest"):
        if st.session_state.get(_FILLED) == setting:
            with data.faults_shown():
                run_id, trait, layer = place
                found = data.results().of_run(
                    lab_intervals, run_id, trait, prompt_set, layer, pipeline
                )
                rows = tables.intervals_table(found)
                if named is not None:
                    cell = (trait, prompt_set, layer)
                    other = data.results().with_saved(beside, [run_id], named, cell, pipeline)
                    rows += tables.beside_table(other, name)
                st.html(rows)
            return
        described = html.escape(f"{pipeline.to_dict()} {place} {named}")
        dots = tables.intervals_table(None)
        dots += "" if named is None else tables.beside_table(None, name)
        st.html(
            f"{dots}<!-- {described} -->{_WHEN_AT_REST}",
            unsafe_allow_javascript=True,
        )
        st.button("Fill in now", key="lab_fill", type="tertiary", on_click=_fill, args=(setting,))


@st.fragment
def _save(prompt_set: str, place: RunCell, view: LabView) -> None:
    """Keep the vector of the setting that is drawn, under a name."""
    with st.expander("Save this vector", icon=":material/bookmark_add:", key="lab_save"):
        st.html(tables.to_be_saved(view))
        with st.form("save", border=False):
            left, right = st.columns([3, 1], vertical_alignment="bottom")
            left.text_input(
                "Name",
                placeholder="warmth-l19-filtered",
                key=_NAME,
                help="Small letters, digits and dashes.",
            )
            right.form_submit_button(
                "Save", on_click=act, args=(_SAVED, _keep, prompt_set, place, view.pipeline)
            )
        st.caption(words.SAVING)
        fault_shown(_SAVED)
        saved = st.session_state.pop(_SAVED, None)
        if saved is not None:
            st.success(
                f"Saved as **{saved.name}**: {saved.pipeline.label}, built from "
                f"{len(saved.prompt_ids)} prompts of layer {saved.layer}."
            )


def _keep(prompt_set: str, place: RunCell, pipeline: Pipeline) -> None:
    run_id, trait, layer = place
    name = st.session_state[_NAME].strip()
    st.session_state[_SAVED] = save_vector(
        data.settings(), name, run_id, trait, prompt_set, layer, effective(pipeline)
    )


chosen = selection()
st.title("What would filtering do?")
saved_shown()
run = require_run(chosen)
with data.faults_shown():
    recall()
    st.html(tables.STYLE + _LAYOUT)
    _lab(chosen, run)

"""Do the prompts agree?"""

from __future__ import annotations

import streamlit as st

from backend.jobs.again import drop_and_enqueue
from backend.runs.tokens import tokens_of
from backend.store.run_values import RunSummary
from backend.views.prompts import words
from backend.views.prompts.compute import PromptView, prompt_view
from backend.views.prompts.figures import cosine_heatmap, norms_and_agreement, view_blocks
from backend.views.prompts.tables import (
    COSINE,
    NORM,
    TURN,
    metric_rows,
    pole_rows,
    prompt_rows,
    token_rows,
)
from backend.views.scorecard.compute import layer_to_show, scorecard
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import segmented
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, selection
from pages.shared.states import require_run

_DROPPED, _QUEUED = "prompts_dropped", "prompts_queued"
_ORDERS = {"clustered": "clustered", "written": "as written"}


def _layer(chosen: Selection, run: RunSummary) -> int:
    """The chosen layer, or the best of this trait, or the middle one where r is undefined."""
    if chosen.layer is not None:
        return chosen.layer
    results = data.results()
    card = results.of_runs(scorecard, [run.run_id], chosen.prompt_set, None, results.thresholds)
    return layer_to_show(card, run, chosen.trait)


def _prompt_table(view: PromptView) -> None:
    st.dataframe(
        prompt_rows(view),
        hide_index=True,
        width="stretch",
        column_config={
            "text": st.column_config.TextColumn(width="large"),
            NORM: st.column_config.NumberColumn(format="%.4g"),
            COSINE: st.column_config.NumberColumn(format="%.3f"),
            TURN: st.column_config.NumberColumn(format="%.1f"),
        },
    )


def _tokens(view: PromptView, run: RunSummary) -> None:
    texts = {row.prompt_id: f"{row.pole}: {row.text}" for row in view.rows}
    with st.expander("Tokens read of a prompt"):
        st.caption(words.TOKENS)
        number = st.selectbox("Prompt", list(texts), format_func=texts.__getitem__)
        if st.button("Show its tokens"):
            with data.faults_shown():
                found = tokens_of(data.settings(), run.run_id, f"prompt:{number}")
                st.dataframe(token_rows(found), hide_index=True, width="stretch")


def _without(view: PromptView, run: RunSummary) -> None:
    """Drop prompts and extract the revision as this run was."""
    texts = {row.prompt_id: f"{row.prompt_id} {row.pole}: {row.text}" for row in view.rows}
    with st.expander("Extract again without some prompts", icon=":material/playlist_remove:"):
        st.caption(words.WITHOUT)
        st.multiselect(
            "Prompts to drop", sorted(texts), format_func=texts.__getitem__, key=_DROPPED
        )
        st.button(
            "Extract again without these",
            icon=":material/play_arrow:",
            disabled=not st.session_state.get(_DROPPED),
            on_click=act,
            args=(_DROPPED, _extract_without, run),
        )
        fault_shown(_DROPPED)
        queued = st.session_state.pop(_QUEUED, None)
        if queued is not None:
            st.success(f"Queued **{as_text(queued)}**. The Runs page shows it.")


def _extract_without(run: RunSummary) -> None:
    st.session_state[_QUEUED] = drop_and_enqueue(
        data.settings(), data.queue(), run, st.session_state[_DROPPED]
    )


chosen = selection()
st.title("Do the prompts agree?")
run = require_run(chosen)

with data.faults_shown():
    layer = _layer(chosen, run)
    st.markdown(
        f"**{as_text(chosen.trait.replace('_', ' '))}** on **{as_text(run.record.model_name)}**, "
        f"layer {layer}. {words.WHY}"
    )
    order = segmented(
        "Order of prompts",
        list(_ORDERS),
        "order",
        _ORDERS,
        help="Clustered: average linkage on the cosines, within each pole.",
    )
    view = data.results().of_run(
        prompt_view,
        run.run_id,
        chosen.trait,
        chosen.prompt_set,
        layer,
        clustered=order == "clustered",
    )
    left, right = st.columns(2)
    with left:
        st.subheader("Cosines")
        st.caption(f"{words.COSINES} Hover for both texts.{view_blocks(view).note}")
        show(cosine_heatmap(view), "heatmap")
    with right:
        st.subheader("Lengths and agreement")
        st.caption(words.LENGTHS)
        show(norms_and_agreement(view), "norms")
    st.subheader("Within-class variance, raw and scale-free")
    st.caption(words.VARIANCE)
    st.dataframe(pole_rows(view.cell), hide_index=True, width="stretch")
    st.subheader("The prompts")
    _prompt_table(view)
    for notice in run.record.notices:
        st.info(as_text(notice))
    _tokens(view, run)
    if not run.simulated:
        _without(view, run)
    with st.expander("Every metric of this cell, with its definition"):
        st.dataframe(metric_rows(view.cell), hide_index=True, width="stretch")

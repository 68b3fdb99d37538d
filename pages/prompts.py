"""Do the prompts agree?"""

from __future__ import annotations

import streamlit as st

from backend.runs.tokens import tokens_of
from backend.store.run_values import RunSummary
from backend.views.prompts import words
from backend.views.prompts.compute import PromptView, prompt_view
from backend.views.prompts.figures import cosine_heatmap, norms_and_agreement, view_blocks
from backend.views.prompts.tables import (
    COSINE,
    NORM,
    STATE,
    TURN,
    WITHOUT,
    found_rows,
    metric_rows,
    pole_rows,
    prompt_rows,
    token_rows,
)
from backend.views.scorecard.compute import layer_to_show, scorecard
from pages.shared import data
from pages.shared.address import segmented, toggle
from pages.shared.chart_click import Click, on_click
from pages.shared.figures import show
from pages.shared.notes import notes_expander
from pages.shared.plain import as_text
from pages.shared.prompt_basket import basket_bar, basket_of, saved_shown
from pages.shared.prompt_card import pick, picked, prompt_card
from pages.shared.sidebar import Selection, selection
from pages.shared.states import require_run

_TABLE, _SEARCH = "prompts_table", "prompts_search"
_VIEWS = {
    "table": "Table",
    "cosines": "Cosines",
    "lengths": "Lengths",
    "metrics": "Metrics",
    "tokens": "Tokens",
}
_ORDERS = {"clustered": "clustered", "written": "as written"}
# Pixels: three lines of text.
_WRAPPED = 76


def _layer(chosen: Selection, run: RunSummary) -> int:
    """The chosen layer, or the best of this trait, or the middle one where r is undefined."""
    if chosen.layer is not None:
        return chosen.layer
    results = data.results()
    card = results.of_runs(scorecard, [run.run_id], chosen.prompt_set, None, results.thresholds)
    return layer_to_show(card, run, chosen.trait)


def _table(view: PromptView, run: RunSummary) -> None:
    """The prompts, found by words, wrapped and sorted; a selected row is opened."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    wanted = left.text_input(
        "Search", key=_SEARCH, placeholder="words, #number, high or low", icon=":material/search:"
    )
    with right:
        wrap = toggle("Wrap text", "prompts_wrap")
    rows = found_rows(view, wanted)

    def opened() -> None:
        selected = st.session_state[_TABLE].selection.rows
        pick(rows[selected[0]].prompt_id if selected else None)

    st.dataframe(
        prompt_rows(rows, basket_of(run)),
        key=_TABLE,
        hide_index=True,
        width="stretch",
        height=460,
        row_height=_WRAPPED if wrap else None,
        on_select=opened,
        selection_mode="single-row",
        column_config={
            "#": st.column_config.NumberColumn(width=50),
            "pole": st.column_config.TextColumn(width=60),
            STATE: st.column_config.TextColumn(width=80),
            WITHOUT: st.column_config.NumberColumn(format="%+.3f", width=95),
            "text": st.column_config.TextColumn(width=330),
            NORM: st.column_config.NumberColumn(format="%.4g"),
            COSINE: st.column_config.NumberColumn(format="%.3f"),
            TURN: st.column_config.NumberColumn(format="%.1f"),
        },
    )
    shown = "" if len(rows) == len(view.rows) else f"{len(rows)} of {len(view.rows)} prompts. "
    st.caption(shown + words.TABLE)


def _cosines(view: PromptView) -> None:
    st.caption(f"{words.COSINES}{view_blocks(view).note}")
    show(cosine_heatmap(view), "heatmap", "Cosine of every pair of prompts")
    spans = view_blocks(view).spans

    def opened(click: Click) -> None:
        pick(view.rows[spans[click.place[0]][0]].prompt_id)

    on_click("heatmap", opened)


def _lengths(view: PromptView) -> None:
    st.caption(words.LENGTHS)
    show(
        norms_and_agreement(view), "norms", "Length of every prompt and its cosine to its own pole"
    )

    def opened(click: Click) -> None:
        if click.id is not None:
            pick(int(click.id))

    on_click("norms", opened)


def _metrics(view: PromptView) -> None:
    st.markdown("##### Within-class variance, raw and scale-free")
    st.caption(words.VARIANCE)
    st.dataframe(pole_rows(view.cell), hide_index=True, width="stretch")
    st.markdown("##### Every metric of this cell, with its definition")
    st.dataframe(metric_rows(view.cell), hide_index=True, width="stretch")


def _tokens(view: PromptView, run: RunSummary) -> None:
    texts = {row.prompt_id: f"{row.pole} #{row.prompt_id}: {row.text}" for row in view.rows}
    st.caption(words.TOKENS)
    number = st.selectbox("Prompt", list(texts), format_func=texts.__getitem__)
    if st.button("Show its tokens"):
        with data.faults_shown():
            found = tokens_of(data.settings(), run.run_id, f"prompt:{number}")
            st.dataframe(token_rows(found), hide_index=True, width="stretch")


def _page(chosen: Selection, run: RunSummary) -> None:
    layer = _layer(chosen, run)
    order = st.session_state.get("order", st.query_params.get("order", "clustered"))
    view = data.results().of_run(
        prompt_view,
        run.run_id,
        chosen.trait,
        chosen.prompt_set,
        layer,
        clustered=order != "written",
    )
    st.markdown(
        f"**{as_text(chosen.trait.replace('_', ' '))}** on **{as_text(run.record.model_name)}**, "
        f"layer {layer}. "
        f"{words.answer(view)}",
        help=words.WHY,
    )
    basket_bar(chosen, run, layer)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        shown = segmented("Show", list(_VIEWS), "prompts_view", _VIEWS)
        if shown == "table":
            _table(view, run)
        elif shown == "cosines":
            segmented(
                "Order of prompts",
                list(_ORDERS),
                "order",
                _ORDERS,
                help="Clustered: average linkage on the cosines, within each pole.",
            )
            _cosines(view)
        elif shown == "lengths":
            _lengths(view)
        elif shown == "metrics":
            _metrics(view)
        else:
            _tokens(view, run)
    with right:
        prompt_card(view, run)
    notes_expander(run, chosen.trait, chosen.prompt_set, layer, picked(view))
    for notice in run.record.notices:
        st.info(as_text(notice))


chosen = selection()
st.title("Do the prompts agree?")
saved_shown()
run = require_run(chosen)
with data.faults_shown():
    _page(chosen, run)

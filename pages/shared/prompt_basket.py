"""Prompts to drop or to edit, kept in the session and in the address, with what dropping does."""

from __future__ import annotations

import streamlit as st

from backend.jobs.again import drop_and_enqueue
from backend.jobs.revised_set import revise_and_enqueue
from backend.store.run_values import RunSummary
from backend.views.prompts import words
from backend.views.prompts.basket import Basket, basket_from_link
from backend.views.prompts.without import drop_preview
from backend.views.prompts.words import preview_text
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import went_back, write
from pages.shared.sidebar import OPEN_PROMPT, Selection

_LINK = "basket"
_BASKETS, _SAVED, _SET_NAME = "baskets", "basket_saved", "basket_set_name"


def basket_of(run: RunSummary) -> Basket:
    """The changes to the prompts of a run's study: of this session, or of the link it began with.

    Back takes them to what they were: then the address decides, unless they are too long for it.

    Raises:
        SteerscopeError: the link holds something else.
    """
    kept: dict[str, Basket] = st.session_state.setdefault(_BASKETS, {})
    known = kept.get(run.study_key)
    if known is None or (went_back() and known.to_link(run.study_key) is not None):
        kept[run.study_key] = Basket()
        written = st.query_params.get(_LINK)
        if written is not None:
            kept[run.study_key] = basket_from_link(written, run.study_key)
    return kept[run.study_key]


def keep(run: RunSummary, basket: Basket) -> None:
    """Replace the changes to a study's prompts; for a callback."""
    st.session_state.setdefault(_BASKETS, {})[run.study_key] = basket


def basket_bar(chosen: Selection, run: RunSummary, layer: int) -> None:
    """What is dropped and edited, what dropping does to r, and the button that saves it.

    Nothing is drawn for an empty basket.

    Args:
        chosen: trait and prompt set of the preview.
        run: its study's prompts are changed.
        layer: of the preview.
    """
    if _SAVED in st.session_state:
        st.rerun()  # a fragment redraws only itself, and the sidebar shows another study now
    basket = basket_of(run)
    if not basket:
        st.query_params.pop(_LINK, None)
        return
    link = basket.to_link(run.study_key)
    if link is None:
        st.query_params.pop(_LINK, None)
    else:
        write(_LINK, link)
    with st.container(border=True, key="basket"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.markdown(f"**{words.basket_title(basket)}**")
        if basket.dropped:
            found = data.results().of_run(
                drop_preview,
                run.run_id,
                chosen.trait,
                chosen.prompt_set,
                layer,
                tuple(sorted(basket.dropped)),
            )
            left.markdown(preview_text(found), help=words.PREVIEW)
        if basket.edited:
            left.caption(words.EDITED_LATER)
        if link is None:
            left.caption(words.TOO_LONG)
        with right:
            if basket.edited:
                st.text_input("Name of the set", _free_name(run, chosen.prompt_set), key=_SET_NAME)
            st.button(
                "Save as set",
                type="primary",
                icon=":material/playlist_add_check:",
                disabled=not run.has_model,
                help=_save_help(run, basket),
                on_click=act,
                args=(_SAVED, _save, run, chosen.prompt_set),
                width="stretch",
            )
            st.button("Undo all", on_click=keep, args=(run, Basket()), width="stretch")
        if not run.has_model:
            st.caption(words.SIMULATED if run.simulated else words.IMPORTED)
        fault_shown(_SAVED)


def saved_shown() -> None:
    """What the last saved set became, once; before the page looks for the run of the revision."""
    revision = st.session_state.pop(_SAVED, None)
    if revision is not None:
        st.success(
            f"Saved as **{revision}**, chosen in the sidebar now. Its activations are being made; "
            "the page fills when they are done. Its prompts are numbered anew.",
            icon=":material/playlist_add_check:",
        )


def _save_help(run: RunSummary, basket: Basket) -> str:
    if not run.has_model:
        return words.SIMULATED if run.simulated else words.IMPORTED
    return words.SAVE_EDITS if basket.edited else words.SAVE_DROPS


def _free_name(run: RunSummary, prompt_set: str) -> str:
    """A name for the changed set that the study does not have."""
    name, number = f"{prompt_set}-edited"[:50], 1
    while name in run.prompt_sets:
        number += 1
        name = f"{prompt_set}-edited-{number}"[:50]
    return name


def _save(run: RunSummary, prompt_set: str) -> None:
    """Publish the revision and choose it: nobody wants to go on looking at the old prompts."""
    basket = basket_of(run)
    settings, queue = data.settings(), data.queue()
    if basket.edited:
        name = str(st.session_state[_SET_NAME]).strip()
        ref, _ = revise_and_enqueue(
            settings, queue, run, prompt_set, name, basket.texts, basket.dropped
        )
        st.session_state["prompts"] = name
    else:
        ref, _ = drop_and_enqueue(settings, queue, run, basket.dropped)
    keep(run, Basket())
    # The revision has another prompt by the open one's number.
    st.query_params.pop(OPEN_PROMPT, None)
    st.session_state["study"] = ref.key
    st.session_state[_SAVED] = ref.key

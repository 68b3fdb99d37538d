"""One prompt: its text, its neighbours, its influence, and what to do with it."""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.prompts import words
from backend.views.prompts.compute import PromptView
from backend.views.prompts.tables import neighbour_rows, state_of
from backend.views.shared.chat import chat_html
from pages.shared.prompt_basket import basket_of, keep
from pages.shared.sidebar import OPEN_PROMPT

_SHOWN = "prompt_shown"
# On a narrow page the card lies below what opens it.
_INTO_VIEW = """<script>
{
  const card = document.querySelector(".st-key-prompt_card");
  if (card && innerWidth <= 640) {
    card.style.scrollMarginTop = "4.5rem";  // below the page's header
    card.scrollIntoView({block: "start"});
  }
}
</script>"""


def pick(number: int | None) -> None:
    """Open a prompt, or none; for a callback."""
    if number is None:
        st.query_params.pop(OPEN_PROMPT, None)
    else:
        st.query_params[OPEN_PROMPT] = str(number)


def picked(view: PromptView) -> int | None:
    """The open prompt, if it is one of the cell's."""
    written = st.query_params.get(OPEN_PROMPT, "")
    known = written.isascii() and written.isdecimal() and len(written) < 10
    number = int(written) if known else None
    return number if number is not None and view.place(number) is not None else None


def prompt_card(view: PromptView, run: RunSummary) -> None:
    """The open prompt with its buttons; without one, how to open one.

    Args:
        view: the prompts of the shown cell.
        run: whose study the prompts are of.
    """
    number = picked(view)
    place = None if number is None else view.place(number)
    before = st.session_state.get(_SHOWN)
    st.session_state[_SHOWN] = number
    if number is None or place is None:
        st.caption(words.PICK)
        return
    row, basket = view.rows[place], basket_of(run)
    state = state_of(number, basket)
    with st.container(border=True, key="prompt_card"):
        st.markdown(f"**{row.pole} #{number}**{f' · {state}' if state else ''}")
        if chat := chat_html(view.chats.get(number, ())):
            st.html(chat)
        st.text(basket.texts.get(number, row.text), width="stretch")
        st.caption(words.numbers_text(row, view.cell.correlation))
        with st.container(horizontal=True, gap="small"):
            if state:
                st.button(
                    "Undo",
                    icon=":material/undo:",
                    on_click=keep,
                    args=(run, basket.restore(number)),
                )
            if state != "dropped":
                st.button(
                    "Drop",
                    icon=":material/playlist_remove:",
                    on_click=keep,
                    args=(run, basket.drop(number)),
                )
            with st.popover("Edit", icon=":material/edit:"), st.form("edit_prompt", border=False):
                key = f"prompt_text {run.study_key} {number}"
                st.text_area("New text", basket.texts.get(number, row.text), key=key, height=180)
                st.form_submit_button(
                    "Put in basket", on_click=_edit, args=(run, number, key, row.text)
                )
        st.caption("Nearest prompts by cosine")
        st.dataframe(
            neighbour_rows(view, number),
            hide_index=True,
            width="stretch",
            column_config={
                "cosine": st.column_config.NumberColumn(format="%.3f", width=65),
                "#": st.column_config.NumberColumn(width=45),
                "pole": st.column_config.TextColumn(width=50),
            },
        )
        if number != before:
            st.html(f"{_INTO_VIEW}<!-- {number} -->", unsafe_allow_javascript=True)


def _edit(run: RunSummary, number: int, key: str, before: str) -> None:
    keep(run, basket_of(run).edit(number, st.session_state[key], before))

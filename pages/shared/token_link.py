"""A button that opens a conversation on the Tokens page."""

from __future__ import annotations

import streamlit as st

from pages.shared.navigate import leave_fragment, open_page

_PAGE = "pages/tokens.py"


def token_link(conversation: int, layer: int, key: str) -> None:
    """The button; it may stand in a fragment, at whose end it is then.

    Args:
        conversation: number of its first response in the study.
        layer: at which the tokens are shown.
        key: unique on the page.
    """
    st.button(
        "See its tokens",
        key=key,
        icon=":material/match_word:",
        on_click=open_page,
        args=(
            _PAGE,
            {},
            {
                "tokens_view": "tokens",
                "tokens_conversation": str(conversation),
                "tokens_turn": "all",
                "tokens_layer": str(layer),
            },
        ),
    )
    leave_fragment()

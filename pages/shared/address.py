"""Choices that live in the page's address, so that a link opens the same view elsewhere.

Streamlit can bind a widget to the address itself, but it writes the *displayed* option there: a
title or a time, which changes when another study is imported. A link must outlive that, so the
option's own key is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st


def select(label: str, options: Sequence[str], key: str, names: Mapping[str, str]) -> str:
    """A select box whose choice is read from and written to the address.

    Args:
        label: what is chosen.
        options: keys that may be chosen, the default first; not empty.
        key: name of the choice in the address and in the session.
        names: option -> what is displayed.

    Returns:
        The chosen option. A choice that is no longer offered falls back to the default.
    """
    wanted = st.session_state.get(key, st.query_params.get(key))
    st.session_state[key] = wanted if wanted in options else options[0]
    chosen = st.selectbox(label, options, key=key, format_func=lambda option: names[option])
    write(key, str(chosen))
    return str(chosen)


def write(key: str, value: str) -> None:
    """Keep a choice in the address, defaults too: the newest run of today is not tomorrow's."""
    if st.query_params.get(key) != value:
        st.query_params[key] = value

"""Go to another page with other choices, as a click on a cell does."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

_WAITING = "choices_for_the_next_page"


def open_page(page: str, choices: Mapping[str, object]) -> None:
    """Leave for a page with some of its choices made.

    Choices are kept until the next run begins, as a widget that has been drawn already cannot be
    given another value.

    Args:
        page: such as ``pages/diagnosis.py``.
        choices: by widget key: those of the sidebar or of the page.
    """
    st.session_state[_WAITING] = dict(choices)
    st.switch_page(page)


def make_waiting_choices() -> None:
    """Make the choices of :func:`open_page`. Called once per rerun, before any widget."""
    for key, value in st.session_state.pop(_WAITING, {}).items():
        st.session_state[key] = value

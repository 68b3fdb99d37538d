"""Go to another page with other choices, as a click on a cell does.

A click asks for the move in its callback and app.py makes it. What a page's own code does after
``if st.button(...)`` is lost when the run is interrupted before it gets there, or when an earlier
run that is just ending takes the click back; a callback has been called by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

_FIRST = "pages/scorecard.py"
_HERE = "page_shown"
_MOVE = "page_asked_for"


@dataclass(frozen=True)
class Move:
    """A page that a click asked for.

    Attributes:
        page: such as ``pages/diagnosis.py``.
        choices: made there, by widget key: those of the sidebar or of the page.
        parameters: written into the address besides what stands there; None clears the address.
        origin: the page of the click.
    """

    page: str
    choices: Mapping[str, object]
    parameters: Mapping[str, str] | None = None
    origin: str = ""


def open_page(
    page: str, choices: Mapping[str, object], parameters: Mapping[str, str] | None = None
) -> None:
    """Ask for a page with some of its choices made; for a callback outside fragments.

    Args:
        page: such as ``pages/diagnosis.py``.
        choices: by widget key: those of the sidebar or of the page.
        parameters: see :class:`Move`.
    """
    st.session_state[_MOVE] = Move(page, choices, parameters, st.session_state.get(_HERE, ""))


def make_waiting_choices(path: str) -> None:
    """Make the choices of a page that was asked for, once there.

    Called once per rerun, before any widget, as one that has been drawn already cannot be given
    another value.

    Args:
        path: of the page that this run draws, in its address; empty for the first page.
    """
    here = f"pages/{path}.py" if path else _FIRST
    st.session_state[_HERE] = here
    move: Move | None = st.session_state.get(_MOVE)
    if move is None:
        return
    if here == move.page:
        for key, value in move.choices.items():
            st.session_state[key] = value
    elif here != move.origin:  # a later click went elsewhere
        del st.session_state[_MOVE]


def follow() -> None:
    """Leave for the page that was asked for.

    Called once per rerun, after the sidebar: what it shows is kept from page to page then, and
    once there it shows the choices. Until then the move stays asked for, whatever interrupts a run.
    """
    move: Move | None = st.session_state.get(_MOVE)
    if move is None:
        return
    if st.session_state[_HERE] == move.page:
        del st.session_state[_MOVE]
        return
    kept = None
    if move.parameters is not None:
        kept = st.query_params.to_dict() | dict(move.parameters)
    st.switch_page(move.page, query_params=kept)

"""Go to another page with other choices, as a click on a cell does.

A click asks for the move in its callback and app.py makes it. What a page's own code does after
``if st.button(...)`` is lost when the run is interrupted before it gets there, or when an earlier
run that is just ending takes the click back; a callback has been called by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from pages.shared.address import forget

_FIRST = "pages/scorecard.py"
_HERE = "page_shown"
_MOVE = "page_asked_for"
_LOAN = "choices_of_one_page"


@dataclass(frozen=True)
class Move:
    """A page that a click asked for.

    Attributes:
        page: such as ``pages/diagnosis.py``.
        choices: made there, by widget key: those of the sidebar or of the page.
        parameters: written into the address besides what stands there; None clears the address.
        origin: the page of the click.
        passing: choices that hold on that page only; on the next one they are as they were.
    """

    page: str
    choices: Mapping[str, object]
    parameters: Mapping[str, str] | None = None
    origin: str = ""
    passing: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Loan:
    """Choices made for one page. Attributes: the page; key -> choice there, and choice before."""

    page: str
    made: Mapping[str, object]
    before: Mapping[str, object]


def open_page(
    page: str,
    choices: Mapping[str, object],
    parameters: Mapping[str, str] | None = None,
    passing: Mapping[str, object] | None = None,
) -> None:
    """Ask for a page with some of its choices made; for a callback outside fragments.

    Args:
        page: such as ``pages/diagnosis.py``.
        choices: by widget key: those of the sidebar or of the page.
        parameters: see :class:`Move`.
        passing: see :class:`Move`.
    """
    here = st.session_state.get(_HERE, "")
    st.session_state[_MOVE] = Move(page, choices, parameters, here, passing or {})


def leave_fragment() -> None:
    """Leave a fragment for a page that a click inside it asked for.

    Such a click runs the fragment alone, and app.py goes to the page. At the end of a fragment.
    """
    if st.session_state.get(_MOVE) is not None:
        st.rerun(scope="app")


def make_waiting_choices(path: str) -> bool:
    """Make the choices of a page that was asked for, once there.

    Called once per rerun, before any widget, as one that has been drawn already cannot be given
    another value.

    Args:
        path: of the page that this run draws, in its address; empty for the first page.

    Returns:
        Whether the page is another than that of the run before.
    """
    here = f"pages/{path}.py" if path else _FIRST
    turned = bool(st.session_state.get(_HERE, here) != here)
    st.session_state[_HERE] = here
    _take_back(here)
    move: Move | None = st.session_state.get(_MOVE)
    if move is None:
        return turned
    if here == move.page:
        if move.passing:
            before = {key: st.session_state.get(key) for key in move.passing}
            st.session_state[_LOAN] = _Loan(here, move.passing, before)
        if move.parameters is not None:
            forget(move.parameters)
            if here == move.origin:  # no page is switched to, which would write them
                st.query_params.update(move.parameters)
        for key, value in {**move.choices, **move.passing}.items():
            st.session_state[key] = value
    elif here != move.origin:  # a later click went elsewhere
        del st.session_state[_MOVE]
    return turned


def _take_back(here: str) -> None:
    """Undo the choices that were made for another page alone, if nobody has changed them since."""
    loan: _Loan | None = st.session_state.get(_LOAN)
    if loan is None or loan.page == here:
        return
    for key, value in loan.made.items():
        if st.session_state.get(key) == value:
            st.session_state[key] = loan.before[key]
    del st.session_state[_LOAN]


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

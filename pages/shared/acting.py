"""Do what a button asks in its callback, where no later click can undo the click.

See :mod:`pages.shared.navigate`. A fault is kept until the page comes to the button's place.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.errors import SteerscopeError
from pages.shared import data

_FAULT = "fault of"


def act(place: str, action: Callable[..., object], *args: object) -> None:
    """Call an action that may fail with a sentence; for a callback.

    Args:
        place: where :func:`fault_shown` says what failed.
        action: what the button does.
        args: its arguments.
    """
    try:
        action(*args)
    except SteerscopeError as fault:
        st.session_state[f"{_FAULT} {place}"] = fault


def fault_shown(place: str) -> None:
    """Say, once, why the last click of a place did not do what it should."""
    fault: SteerscopeError | None = st.session_state.pop(f"{_FAULT} {place}", None)
    if fault is not None:
        with data.faults_shown():
            raise fault

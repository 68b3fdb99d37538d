"""Ask who is there, where log-in is on, before anything of the store is shown."""

from __future__ import annotations

import streamlit as st

from backend.errors import NotAllowed
from pages.shared import data
from pages.shared.plain import as_text


def require_user() -> None:
    """Go on with the page for who may look; say to anybody else what to do, and nothing more."""
    try:
        data.settings()
    except NotAllowed as fault:
        st.title("Steerscope")
        if st.user.get("is_logged_in"):
            data.show_fault(fault)
            st.button("Log out", icon=":material/logout:", on_click=st.logout)
        else:
            st.text("Log in to see this Steerscope.")
            st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
        st.stop()


def user_shown() -> None:
    """Who has logged in, at the end of the sidebar, with the way out; nothing without log-in."""
    actor = data.settings().actor
    if actor is None:
        return
    role = "operator" if actor.may_change else "viewer: look and download only"
    st.caption(f"{as_text(actor.name)} ({role})")
    st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)

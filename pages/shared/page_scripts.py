"""The scripts that every page runs in the browser: its history, and its charts' names and keys."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_SCRIPTS = "".join(
    f"<script>{(_HERE / name).read_text('utf-8')}</script>" for name in ("history.js", "charts.js")
)


def page_scripts() -> None:
    """Put the scripts on the page; where the element's gap does no harm."""
    st.html(_SCRIPTS, unsafe_allow_javascript=True)

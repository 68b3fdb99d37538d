"""What this is, and three ways in: for whoever opens the bare address."""

from __future__ import annotations

import streamlit as st

from backend.core.status import Status
from backend.errors import SteerscopeError
from backend.views.scorecard.compute import ScorecardCell, runs_to_compare, scorecard
from pages.shared import data, tour
from pages.shared.navigate import open_page
from pages.shared.run_compare import VIEW
from pages.shared.sidebar import Selection
from pages.shared.study_import import IMPORT

_SHOWN = "welcome_shown"
_LEFT: tuple[Status, ...] = ("failed", "close")


def welcome(chosen: Selection) -> None:
    """Name, purpose and ways in; not for who followed a link, went on to another page, closed it or
    takes the tour.

    Args:
        chosen: the sidebar's choices.
    """
    if not st.session_state.setdefault(_SHOWN, not st.query_params) or tour.running():
        return
    with st.container(border=True, key="welcome", gap="small"):
        st.markdown(
            "**Steerscope** shows why a steering vector works on one model and fails on another, "
            "and what fixes it."
        )
        with st.container(horizontal=True, gap="small"):
            st.button("See the published failure", icon=":material/explore:", on_click=tour.start)
            st.button(
                "Open my study",
                icon=":material/upload_file:",
                on_click=open_page,
                args=("pages/runs.py", {VIEW: "extract", IMPORT: True}),
            )
            st.button(
                "Repair a vector",
                icon=":material/build:",
                on_click=_repair,
                args=(chosen,),
                disabled=chosen.run is None,
            )
            st.button(
                "",
                key="welcome_close",
                icon=":material/close:",
                type="tertiary",
                help="Close",
                on_click=close,
            )


def close() -> None:
    """Show it no more in this session."""
    st.session_state[_SHOWN] = False


def _repair(chosen: Selection) -> None:
    """Open the diagnosis of the shown cell with the lowest r that does not work."""
    cell = _worst(chosen)
    choices = {} if cell is None else {"run": cell.run_id, "trait": cell.trait}
    open_page("pages/diagnosis.py", choices)


def _worst(chosen: Selection) -> ScorecardCell | None:
    results = data.results()
    run_ids = tuple(run.run_id for run in runs_to_compare(chosen.runs))
    try:
        card = results.of_runs(
            scorecard, run_ids, chosen.prompt_set, chosen.layer, results.thresholds
        )
    except SteerscopeError:
        return None  # the page that opens names the fault
    failing = [cell for cell in card.cells.values() if cell.status in _LEFT]
    return min(failing, key=lambda cell: cell.correlation.value or 0.0, default=None)

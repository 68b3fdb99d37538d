"""Which of a study's runs enter its tests."""

from __future__ import annotations

import streamlit as st

from backend.views.scorecard.compute import newest_by_model
from pages.shared.address import several
from pages.shared.sidebar import Selection, run_name

# As on the other pages that compare runs; any others can be added.
SHOWN = 3


def tested_runs(chosen: Selection) -> tuple[str, ...]:
    """Buttons for the runs of the chosen study, the newest of three models pressed at first: two
    runs of one model would count as two models.

    Args:
        chosen: with a study that has runs.

    Returns:
        Ids of the pressed ones, oldest first; the chosen run where none is pressed.
    """
    names = {run.run_id: run_name(run) for run in chosen.runs}
    if len(names) == 1:
        return tuple(names)
    newest = [run.run_id for run in newest_by_model(chosen.runs)]
    picked = several("Runs tested", list(names), "tested_runs", names, newest[-SHOWN:])
    if not picked:
        assert chosen.run is not None  # there are runs
        picked = [chosen.run.run_id]
    if len(picked) < len(names):
        st.caption(f"{len(picked)} of this study's {len(names)} runs are tested.")
    return tuple(picked)

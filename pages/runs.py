"""Extract again: start, follow, cancel, look back, write prompts, compare."""

from __future__ import annotations

import streamlit as st

from pages.shared.activation_import import activation_import
from pages.shared.address import segmented
from pages.shared.run_active import active_jobs, just_ended
from pages.shared.run_compare import COMPARE, VIEW, compare_runs
from pages.shared.run_form import new_extraction
from pages.shared.run_history import show_history
from pages.shared.run_prompts import new_prompt_set, outcome_shown
from pages.shared.run_workers import workers_shown
from pages.shared.sidebar import selection
from pages.shared.states import show_broken
from pages.shared.study_import import study_import

_VIEWS = {"extract": "Extract", "prompts": "New prompt set", COMPARE: "Compare"}

chosen = selection()
st.title("Extract and compare runs")
show_broken()
view = segmented("What to do", list(_VIEWS), VIEW, _VIEWS)
if view == "prompts":
    new_prompt_set(chosen)
elif view == COMPARE:
    compare_runs(chosen)
else:
    outcome_shown()
    study_import()
    activation_import(chosen)
    st.subheader("Queued and running")
    active_jobs()
    just_ended()
    workers_shown()
    st.subheader("New extraction")
    new_extraction(chosen)
    st.subheader("History")
    show_history()

"""Steerscope's dashboard: page configuration, navigation and the shared sidebar."""

from __future__ import annotations

import streamlit as st

from pages.shared import navigate, tour
from pages.shared.run_active import job_chip
from pages.shared.sidebar import choose, selection
from pages.shared.states import label_simulated

st.set_page_config(page_title="Steerscope", page_icon="🧭", layout="wide")

page = st.navigation(
    [
        st.Page("pages/scorecard.py", title="Scorecard", icon=":material/grid_on:", default=True),
        st.Page("pages/diagnosis.py", title="Diagnosis", icon=":material/stethoscope:"),
        st.Page("pages/prompts.py", title="Prompts", icon=":material/forum:"),
        st.Page("pages/map.py", title="Map", icon=":material/scatter_plot:"),
        st.Page("pages/layers.py", title="Layers", icon=":material/layers:"),
        st.Page("pages/filter_lab.py", title="Filter lab", icon=":material/tune:"),
        st.Page("pages/transfer.py", title="Transfer", icon=":material/swap_horiz:"),
        st.Page("pages/methods.py", title="Methods", icon=":material/leaderboard:"),
        st.Page("pages/scores.py", title="Scores", icon=":material/gavel:"),
        st.Page("pages/study_tests.py", title="Study tests", icon=":material/fact_check:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/play_circle:"),
        st.Page("pages/report.py", title="Report", icon=":material/download:"),
    ]
)
navigate.make_waiting_choices(page.url_path)
choose()
navigate.follow()
tour.banner()
label_simulated(selection())
job_chip(page.url_path)
page.run()

"""Steerscope's dashboard: page configuration, navigation and the shared sidebar."""

from __future__ import annotations

import streamlit as st

from pages.shared import navigate, tour, welcome
from pages.shared.address import forget_not_found, gathered
from pages.shared.breadcrumb import breadcrumb
from pages.shared.data import faults_shown
from pages.shared.log_in import require_user, user_shown
from pages.shared.run_active import job_chip
from pages.shared.sidebar import choose, selection
from pages.shared.steer_chat import leave_answer

st.set_page_config(page_title="Steerscope", page_icon="🧭", layout="wide")
# A page begins just below Streamlit's bar, which leaves twice as much room.
_TOP = "[data-testid=stMainBlockContainer] { padding-top: %srem; }"
# On a phone the last of a row of buttons would lie out of sight, and nothing says that it can be
# scrolled to.
_WRAP = "[data-testid=stButtonGroup] [role=radiogroup] { flex-wrap: wrap; }"
st.html(
    f"<style>{_TOP % 4} @media (min-width: 640px) {{ {_TOP % 3} }} "
    f"@media (max-width: 640px) {{ {_WRAP} }}</style>"
)
st.logo("pages/shared/logo.svg", size="large")

require_user()
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
        st.Page("pages/trajectories.py", title="Turns", icon=":material/timeline:"),
        st.Page("pages/steer.py", title="Steer", icon=":material/explore:"),
        st.Page("pages/dose.py", title="Dose-response", icon=":material/science:"),
        st.Page("pages/tokens.py", title="Tokens", icon=":material/match_word:"),
        st.Page("pages/study_tests.py", title="Study tests", icon=":material/fact_check:"),
        st.Page("pages/new_study.py", title="New study", icon=":material/edit_note:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/play_circle:"),
        st.Page("pages/report.py", title="Report", icon=":material/download:"),
    ],
    # Of more than twelve pages the last would be folded away.
    expanded=True,
)
with gathered():
    if navigate.make_waiting_choices(page.url_path):
        forget_not_found()
        welcome.close()
    choose()
    with st.sidebar:
        tour.invitation()
        user_shown()
    navigate.follow()
    tour.bar()
    breadcrumb(selection(), page.url_path)
    leave_answer(page.url_path)
    job_chip(page.url_path)
    with faults_shown():
        page.run()

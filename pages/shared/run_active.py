"""The Runs page: what is queued and running, and what has just ended."""

from __future__ import annotations

import streamlit as st

from backend.jobs.logs import read_log
from backend.jobs.queue import ahead_of
from backend.jobs.workers import live_workers
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text
from pages.shared.run_compare import offer_comparison
from pages.shared.states import POLL_SECONDS, no_worker, show_progress

_PLACE = "active jobs"


@st.fragment(run_every=POLL_SECONDS)
def active_jobs() -> None:
    """Live panel of queued and running jobs; reloads the page when one ends."""
    jobs = data.queue().jobs()
    active = [job for job in jobs if job.active]
    if not live_workers(data.settings()):
        no_worker()
    before = st.session_state.get("active_jobs", set())
    st.session_state["active_jobs"] = {job.run_id for job in active}
    if gone := before - st.session_state["active_jobs"]:
        st.session_state["just_ended"] = sorted(gone)
        st.rerun(scope="app")
    fault_shown(_PLACE)
    if not active:
        st.caption("Nothing is queued or running.")
    for job in reversed(active):
        bar, button = st.columns([5, 1], vertical_alignment="center")
        with bar:
            show_progress(job, ahead_of(job, jobs))
        button.button(
            "Cancel",
            key=f"cancel-{job.run_id}",
            icon=":material/stop:",
            on_click=act,
            args=(_PLACE, data.queue().cancel, job.run_id),
        )
        show_log(job.run_id)


def just_ended() -> None:
    """Say which runs were published or derived since the page was opened."""
    ended = st.session_state.get("just_ended", ())
    if not ended:
        return
    published = {run.run_id for run in data.run_list().runs}
    for job in data.queue().jobs():
        if job.run_id in ended and job.state == "finished" and job.target != job.run_id:
            st.success(f"**{as_text(job.target)}** was derived again from its activations.")
    for run_id in ended:
        if run_id in published:
            with st.container(border=True):
                st.markdown(f":material/check_circle: **{as_text(run_id)}** is published.")
                offer_comparison(run_id, "ended")


def show_log(run_id: str) -> None:
    """What the worker said about a job, folded away; nothing before it has said anything."""
    text = read_log(data.settings(), run_id)
    if text:
        with st.expander(f"Log of {as_text(run_id)}", icon=":material/receipt_long:"):
            st.code(text, language=None, wrap_lines=True)

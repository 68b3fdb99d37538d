"""The Runs page: what is queued and running, and what has just ended."""

from __future__ import annotations

import streamlit as st

from backend.jobs.logs import read_log
from backend.jobs.queue import ahead_of
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text
from pages.shared.run_compare import CHIP, leave_if_asked, offer_comparison
from pages.shared.states import POLL_SECONDS, no_worker, short_progress, show_progress

_PLACE = "active jobs"
# Of the chip on every page: a job lasts seconds to hours.
CHIP_SECONDS = 3.0
# Where the form keeps the job that it started last.
STARTED = "job started"
_FOLLOWED, _ENDED = "jobs followed", "runs ended"


def job_chip(page: str) -> None:
    """A line on every page that says how far jobs are, and offers what they made; nothing where
    there is neither. Called once per rerun, by app.py.

    Args:
        page: path of the present page; the Runs page shows its jobs itself.
    """
    # A store that never had a job gets no queue by looking.
    if page != "runs" and data.settings().has_queue():
        _chip()


@st.fragment(run_every=CHIP_SECONDS)
def _chip() -> None:
    leave_if_asked()
    active = data.queue().jobs(active=True)
    names = {job.run_id: job.target for job in active}
    before: dict[str, str] = st.session_state.get(_FOLLOWED, {})
    st.session_state[_FOLLOWED] = names
    ended: list[str] = st.session_state.setdefault(_ENDED, [])
    gone = [target for run_id, target in before.items() if run_id not in names]
    if gone:
        published = {run.run_id for run in data.run_list().runs}
        for target in gone:
            if target in published:
                ended.append(target)
                st.toast(f"{as_text(target)} is ready.", icon=":material/check_circle:")
            else:
                st.toast(
                    f"{as_text(target)} did not finish. See the Runs page.", icon=":material/error:"
                )
    for job in reversed(active):
        st.badge(
            f"{as_text(job.target)}: {short_progress(job)}",
            icon=":material/hourglass_top:",
            color="blue",
        )
    for run_id in ended:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"{as_text(run_id)} is ready", icon=":material/check_circle:", color="green")
            offer_comparison(run_id, CHIP)
            st.button("Dismiss", key=f"dismiss-{run_id}", on_click=ended.remove, args=(run_id,))


@st.fragment(run_every=POLL_SECONDS)
def active_jobs() -> None:
    """Live panel of queued and running jobs; reloads the page when one ends."""
    active = data.queue().jobs(active=True)
    if not data.queue().workers():
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
            show_progress(job, ahead_of(job, active))
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
    arriving = []
    for job in data.queue().jobs():
        if job.run_id in ended and job.state == "finished":
            if job.target not in published:
                arriving.append(job.target)
            elif job.target != job.run_id:
                st.success(f"**{as_text(job.target)}** was derived again from its activations.")
    if arriving and data.settings().shared:
        _arrivals(tuple(arriving))
    for run_id in ended:
        if run_id in published:
            with st.container(border=True):
                st.markdown(f":material/check_circle: **{as_text(run_id)}** is published.")
                offer_comparison(run_id, "ended")


@st.fragment(run_every=POLL_SECONDS)
def _arrivals(runs: tuple[str, ...]) -> None:
    """Runs that were finished on another machine; reloads the page when they are here."""
    if {run.run_id for run in data.run_list().runs}.issuperset(runs):
        st.rerun(scope="app")
    for run_id in runs:
        st.caption(f"**{as_text(run_id)}** is finished. Its file is on its way to this machine.")


def show_log(run_id: str) -> None:
    """What the worker said about a job, folded away; nothing before it has said anything."""
    text = read_log(data.settings(), run_id)
    if text:
        with st.expander(f"Log of {as_text(run_id)}", icon=":material/receipt_long:"):
            st.code(text, language=None, wrap_lines=True)


def started_job() -> None:
    """What became of the job that was started last, where its button is."""
    run_id: str | None = st.session_state.get(STARTED)
    if run_id is not None:
        _started(run_id)


@st.fragment(run_every=POLL_SECONDS)
def _started(run_id: str) -> None:
    leave_if_asked()
    jobs = data.queue().jobs()
    job = next((job for job in jobs if job.run_id == run_id), None)
    if job is None or job.state == "cancelled":
        st.caption(f"{as_text(run_id)} was cancelled or removed.")
    elif job.active:
        show_progress(job, ahead_of(job, jobs))
    elif job.state == "failed":
        st.error(f"**{as_text(run_id)} failed.** {as_text(job.error or '')}")
    else:
        st.success(f"**{as_text(run_id)}** is ready.", icon=":material/check_circle:")
        offer_comparison(run_id, "started")

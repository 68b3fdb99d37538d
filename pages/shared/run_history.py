"""The Runs page: what has been extracted, what failed, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.runs.engines import derivers
from backend.store.run_values import RunSummary
from backend.views.runs.history import Entry, history
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import select
from pages.shared.notes import run_notes_expander
from pages.shared.plain import as_text
from pages.shared.run_active import show_log
from pages.shared.run_compare import offer_comparison

_SIGNS = {"failed": ":material/error:", "cancelled": ":material/cancel:"}


def show_history() -> None:
    """Everything that ended, newest first, with what can be done about each."""
    shared = bool(data.settings().shared)
    entries = history(data.queue().jobs(), data.run_list().runs, shared=shared)
    if not entries:
        st.caption("No extraction has ended yet.")
        return
    rows = [_row(entry) for entry in entries]
    st.dataframe(rows, hide_index=True, width="stretch", placeholder="–")
    if any(entry.seconds is None for entry in entries):
        st.caption("Without seconds: no job of this queue made it.")
    for entry in entries:
        if entry.state in _SIGNS:
            _unfinished(entry)
    finished = {entry.run_id: entry for entry in entries if entry.state not in _SIGNS}
    if finished:
        names = {run_id: f"{run_id} ({entry.state})" for run_id, entry in finished.items()}
        _finished(finished[select("One run of the history", list(finished), "past", names)])


def _row(entry: Entry) -> dict[str, object]:
    # The long id last: on a phone it would be all that is seen.
    return {
        "state": entry.state,
        "model": entry.model,
        "queued at (UTC)": entry.at,
        "layers": entry.layers,
        "pooling": entry.pooling,
        "study": entry.study,
        "seconds": entry.seconds,
        "MB": entry.megabytes,
        "run": entry.run_id,
    }


def _unfinished(entry: Entry) -> None:
    """A job that did not finish: why, and what can be done with it."""
    run_id, queue = entry.run_id, data.queue()
    with st.container(border=True):
        st.markdown(f"{_SIGNS[entry.state]} **{as_text(run_id)}** {entry.state}")
        if entry.job is not None and entry.job.error:
            st.error(as_text(entry.job.error))
        with st.container(horizontal=True):
            if entry.state == "cancelled":
                _button("Resume", "resume", run_id, queue.resume)
            _button("Start afresh", "retry", run_id, queue.retry)
            _button("Remove", "remove", run_id, queue.remove)
        fault_shown(run_id)
        show_log(run_id)


def _finished(entry: Entry) -> None:
    """A run that is published, or was."""
    with st.container(border=True):
        if entry.run is None:
            _deleted(entry.run_id)
        else:
            _published(entry.run)
        fault_shown(entry.run_id)
        if entry.run is not None and entry.run.run_id != entry.run_id:
            fault_shown(entry.run.run_id)
        show_log(entry.run_id)


def _deleted(run_id: str) -> None:
    gone = "its file has been deleted since"
    if data.settings().shared:
        gone = "its file is still on its way from the shared place, or has been deleted since"
    st.markdown(f"**{as_text(run_id)}** was finished, and {gone}.")
    _button("Remove from the history", "forget", run_id, data.queue().remove)


def _published(run: RunSummary) -> None:
    """What can be done with a run: compare it, derive it again, delete it."""
    st.markdown(
        f"**{as_text(run.run_id)}**: {run.bytes / 1e6:.1f} MB. Its activations are read-only. "
        "What is computed from them can be derived again, for example after an update."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offer_comparison(run.run_id, "past")
        engines = derivers(data.settings(), run.record.engine)
        engine = engines[0]
        if len(engines) > 1:
            engine = st.selectbox(
                "Engine that derives",
                engines,
                help="local: the worker that takes the job. ray: the cluster that it uses, or Ray "
                "on its machine. The numbers are the same.",
                key=f"engine-{run.run_id}",
                width=180,
            )
        st.button(
            "Derive again",
            key=f"derive-{run.run_id}",
            icon=":material/refresh:",
            on_click=act,
            args=(run.run_id, data.queue().enqueue_derivation, run, engine),
        )
        _deletion(run.run_id)
    run_notes_expander(run)


def _deletion(run_id: str) -> None:
    with st.popover("Delete the run", icon=":material/delete:"):
        st.markdown(
            f"This deletes **{as_text(run_id)}** with its activations and all its numbers. It "
            "cannot be undone; links to it will open another run."
        )
        st.button(
            "Delete it for good",
            key=f"delete-{run_id}",
            type="primary",
            on_click=act,
            args=(run_id, data.queue().delete_run, run_id),
        )


def _button(label: str, name: str, run_id: str, action: Callable[[str], object]) -> None:
    st.button(label, key=f"{name}-{run_id}", on_click=act, args=(run_id, action, run_id))

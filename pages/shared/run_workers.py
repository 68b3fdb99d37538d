"""The Runs page: the workers on all machines, where there can be several."""

from __future__ import annotations

import streamlit as st

from backend.views.runs.workers import worker_rows, workers_words
from pages.shared import data
from pages.shared.states import POLL_SECONDS


def workers_shown() -> None:
    """Live table of the workers; nothing where this cache's own worker is the only one there can
    be."""
    if data.settings().queue_url:
        _workers()


@st.fragment(run_every=2 * POLL_SECONDS)
def _workers() -> None:
    queue = data.queue()
    with data.faults_shown():
        workers = queue.workers()
        if workers:
            st.caption(workers_words(workers, data.settings().lost_after))
            rows = worker_rows(workers, queue.places())
            st.dataframe(rows, hide_index=True, width="stretch")

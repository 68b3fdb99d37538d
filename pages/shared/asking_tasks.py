"""What is being written and judged, what came of it, and the next step from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from backend.jobs.tasks import Task
from backend.views.new_study.words import KINDS, result_lines, title
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.navigate import open_page
from pages.shared.plain import as_text
from pages.shared.run_active import show_log
from pages.shared.states import POLL_SECONDS, no_worker
from pages.shared.task_bar import task_bar

# Keys of the page's choices, which a result leads to.
VIEW, SOURCE = "new_view", "judged"
_PLACE, _BEFORE = "asking tasks", "asking tasks active"
_MOST_ENDED = 5


def start_task(kind: str, values: Mapping[str, Any]) -> None:
    """Queue a task; for a callback.

    Args:
        kind: of the registered kinds.
        values: what is asked.
    """
    data.queue().tasks.start(kind, values)
    st.toast(f"Queued: {as_text(title(kind, values))}", icon=":material/schedule:")


def asking_tasks() -> None:
    """What is queued and running, and what has ended."""
    # A store that never had a job gets no queue by looking.
    if not data.settings().has_queue():
        no_worker()
        return
    _active()
    fault_shown(_PLACE)
    tasks = data.queue().tasks
    for task in tasks.all(*KINDS, active=False, most=_MOST_ENDED):
        _ended(tasks.task(task.task_id))


@st.fragment(run_every=POLL_SECONDS)
def _active() -> None:
    tasks = data.queue().tasks
    active = tasks.all(*KINDS, active=True)
    before: set[str] = st.session_state.get(_BEFORE, set())
    st.session_state[_BEFORE] = {task.task_id for task in active}
    if before - st.session_state[_BEFORE]:
        st.rerun(scope="app")
    if not data.queue().workers():
        no_worker()
    for task in reversed(active):
        task_bar(task.task_id, _PLACE, f"**{as_text(title(task.kind, task.values))}**")


def _ended(task: Task) -> None:
    named = as_text(title(task.kind, task.values))
    with st.container(border=True):
        if task.state == "finished":
            lines = [as_text(line) for line in result_lines(task.kind, task.result)]
            st.markdown(f":material/check_circle: **{named}**  \n" + "  \n".join(lines))
        elif task.state == "cancelled":
            st.markdown(
                f":material/stop_circle: **{named}** was cancelled. Its answers so far are kept: "
                "started again, it goes on from there."
            )
        else:
            st.error(f"**{named}** failed. {as_text(task.error or '')}")
            show_log(task.task_id)
        with st.container(horizontal=True, gap="small"):
            if task.state == "finished":
                _next(task)
            st.button(
                "Dismiss",
                key=f"dismiss-{task.task_id}",
                on_click=act,
                args=(_PLACE, data.queue().tasks.remove, task.task_id),
            )


def _next(task: Task) -> None:
    """The button that goes on from a result."""
    key = f"next-{task.task_id}"
    if "draft" in task.result:
        st.button(
            "Look at the draft and judge it",
            key=key,
            icon=":material/gavel:",
            type="primary",
            on_click=st.session_state.update,
            args=({VIEW: "judge", SOURCE: f"draft:{task.result['draft']}"},),
        )
    elif not task.result.get("run"):
        st.button(
            "Extract it",
            key=key,
            icon=":material/play_circle:",
            type="primary",
            on_click=open_page,
            args=("pages/runs.py", {"study": task.result["study"]}),
        )

"""Ask a worker for something and follow it: a button, its progress, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from backend.jobs.tasks import Task
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text
from pages.shared.states import no_worker
from pages.shared.task_bar import task_bar

# Of what takes a few seconds.
_POLL_SECONDS = 0.5
_RESULTS = "results of tasks"


def asked(kind: str, values: Mapping[str, Any], label: str, about: str) -> Any | None:
    """The result of a task of these values; without one, a button that asks for it, or how far it
    is.

    Args:
        kind: of the task.
        values: what is asked, as plain JSON.
        label: of the button.
        about: a sentence on what it does, said before it was asked.

    Returns:
        The result as plain JSON; None while there is none.
    """
    task = _newest(kind, values)
    if task is not None and task.state == "finished":
        kept: dict[str, Any] = st.session_state.setdefault(_RESULTS, {})
        if task.task_id not in kept:
            # One of each kind: a result may have a megabyte.
            for old in [name for name in kept if name.startswith(f"{kind}-")]:
                del kept[old]
            kept[task.task_id] = data.queue().tasks.task(task.task_id).result
        return kept[task.task_id]
    if task is not None and task.active:
        following(task.task_id, kind)
        return None
    if task is not None and task.state == "failed":
        why = data.queue().tasks.task(task.task_id).error or ""
        st.error(f"**This failed.** {as_text(why)}")
    elif task is not None:
        st.caption("This was cancelled.")
    st.caption(about)
    st.button(
        label,
        key=f"ask_{kind}",
        icon=":material/play_arrow:",
        type="primary",
        on_click=act,
        args=(kind, _start, kind, dict(values)),
    )
    fault_shown(kind)
    return None


def _start(kind: str, values: dict[str, Any]) -> None:
    data.queue().tasks.start(kind, values)


def _newest(kind: str, values: Mapping[str, Any]) -> Task | None:
    # A store that never had a job gets no queue by looking.
    if not data.settings().has_queue():
        return None
    return next(
        (task for task in data.queue().tasks.all(kind) if dict(task.values) == dict(values)), None
    )


@st.fragment(run_every=_POLL_SECONDS)
def following(task_id: str, kind: str) -> None:
    """How far a task is; the page is drawn again when it ends."""
    tasks = data.queue().tasks
    if not tasks.is_active(task_id):
        st.rerun(scope="app")
    if not data.queue().workers():
        no_worker()
    task_bar(task_id, f"cancel {kind}")
    fault_shown(f"cancel {kind}")

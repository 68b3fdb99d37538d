"""How far a task is, and the button that cancels it."""

from __future__ import annotations

import streamlit as st

from pages.shared import data
from pages.shared.acting import act
from pages.shared.plain import as_text
from pages.shared.states import progress_words


def task_bar(task_id: str, place: str, named: str = "") -> None:
    """Draw a task that is queued or running.

    Args:
        task_id: the task.
        place: where it is said why it cannot be cancelled.
        named: Markdown before how far it is; empty where only one task is followed.
    """
    tasks = data.queue().tasks
    progress = tasks.progress(task_id)
    share, words = (0.0, "waiting for a worker") if progress is None else progress_words(progress)
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(share, text=f"{named}: {as_text(words)}" if named else as_text(words))
    button.button(
        "Cancel",
        key=f"cancel-{task_id}",
        icon=":material/stop:",
        on_click=act,
        args=(place, tasks.cancel, task_id),
    )

"""The Steer page: the turns of a chat, and the one that is being answered."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from backend.errors import JobError, SteerscopeError
from backend.jobs.tasks import Tasks
from backend.steering.answer import Turn
from backend.views.steer import words
from backend.views.steer.compute import SteerChat
from backend.views.steer.figures import (
    Colours,
    colours_of,
    legend_html,
    text_html,
    tokens_html,
)
from backend.views.steer.tables import token_rows
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text

# Where the session keeps the chat.
CHAT = "steer chat"
POLL_SECONDS = 0.3
# Columns beside each other; more variants go below.
ABREAST = 4
_PLACE, _FAILED, _STOPPED = "steer answer", "steer failed", "steer stopped"
_LEFT, _PAGE = "steer left", "steer"


@dataclass
class _Awaited:
    """The answer that a browser's session waits for.

    Attributes:
        task: its id; None between answers.
        tasks: the queue's, as who asked may use them; none before the first answer.
    """

    task: str | None = None
    tasks: Tasks | None = None

    def stop(self) -> None:
        """Cancel it: nobody reads it any more."""
        task, self.task = self.task, None
        if task is not None and self.tasks is not None:
            with suppress(SteerscopeError):  # it has ended meanwhile
                self.tasks.cancel(task)


def _released(awaited: _Awaited) -> None:
    """The browser's page was closed, or its connection lost. The server's thread does not wait for
    the queue's database."""
    if awaited.task is not None:
        threading.Thread(target=awaited.stop, daemon=True).start()


@st.cache_resource(scope="session", on_release=_released)
def _awaited() -> _Awaited:
    return _Awaited()


def await_answer(task: str) -> None:
    """Stop an answer once this session leaves the page. Args: task: its id."""
    awaited = _awaited()
    awaited.task, awaited.tasks = task, data.queue().tasks


def leave_answer(page: str) -> None:
    """Stop the answer that this session waits for, where another page is opened: it would keep the
    worker from what is asked there. Called once per rerun, by app.py.

    Args:
        page: path of the present page.
    """
    if page != _PAGE:
        _awaited().stop()


def _stop(task: str) -> None:
    st.session_state[_STOPPED] = task
    data.queue().tasks.cancel(task)


def show_turns(chat: SteerChat, shown: str) -> None:
    """The turns that have ended.

    Args:
        chat: so far.
        shown: what colours say.
    """
    colours = colours_of([*chat.turns, chat.live], chat.units, shown)
    if chat.turns:
        st.html(legend_html(colours))
    for turn in chat.turns:
        _show(turn, colours, shown, live=False)
    if chat.turns:
        last = chat.turns[-1]
        st.markdown(as_text(words.seen(last)))
        for note in last.notes:
            st.warning(as_text(note), icon=":material/warning:")
        with st.expander("Tokens of the last answers as a table", icon=":material/table:"):
            st.dataframe(token_rows(last), hide_index=True, width="stretch")


@st.fragment(run_every=POLL_SECONDS)
def answering(shown: str) -> None:
    """The turn that is being answered, token by token; the page is drawn anew when it has ended.

    Args:
        shown: what colours say.
    """
    chat: SteerChat | None = st.session_state.get(CHAT)
    if chat is None or chat.task is None:
        return
    task_id, tasks = chat.task, data.queue().tasks
    # Before its pieces, so that of a task that has ended none is missed.
    try:
        active = tasks.is_active(task_id)
    except JobError:  # removed from the history, or pushed out of it by newer ones
        st.session_state[CHAT] = chat.ended(None)
        st.rerun(scope="app")
    chat = chat.heard(*tasks.pieces(task_id, chat.known))
    if not active:
        task = tasks.task(task_id)
        st.session_state[CHAT] = chat.ended(task.result)
        _awaited().task = None
        if task.state == "failed":
            st.session_state[_FAILED] = task.error or "It failed."
        elif task.state == "cancelled" and st.session_state.get(_STOPPED) != task_id:
            st.session_state[_LEFT] = True
        st.rerun(scope="app")
    st.session_state[CHAT] = chat
    fault_shown(_PLACE)
    left, right = st.columns([4, 1], vertical_alignment="center")
    progress = tasks.progress(task_id)
    waiting = "waiting for the worker" if progress is None else progress.stage
    left.caption(as_text(words.rate(chat.live) or f"{waiting} ..."))
    right.button("Stop", icon=":material/stop:", on_click=act, args=(_PLACE, _stop, task_id))
    colours = colours_of([*chat.turns, chat.live], chat.units, shown)
    if chat.steps and not chat.turns:
        st.html(legend_html(colours))
    _show(chat.live, colours, shown, live=True)


def failure_shown() -> None:
    """Say, once, why the last answer failed or was stopped."""
    if st.session_state.pop(_LEFT, False):
        st.info(words.LEFT, icon=":material/stop_circle:")
    why = st.session_state.pop(_FAILED, None)
    if why is not None:
        st.error(f"**The model did not answer.** {as_text(why)}")


def _show(turn: Turn, colours: Colours, shown: str, *, live: bool) -> None:
    """A message and its answers side by side."""
    with st.chat_message("user"):
        st.html(text_html(turn.said))
    answers = list(turn.answers)
    for start in range(0, len(answers), ABREAST):
        part = answers[start : start + ABREAST]
        for column, answer in zip(st.columns(len(part)), part, strict=True):
            with column, st.container(border=True):
                st.markdown(f"**{as_text(answer.name)}**")
                st.caption(as_text(words.under(answer, live=live)))
                st.html(tokens_html(answer, colours, shown))
    if not live:
        st.caption(as_text(words.rate(turn)))

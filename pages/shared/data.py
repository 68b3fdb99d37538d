"""What every page reads from: the store's lists, and results kept by the identity of files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from backend.access import NOBODY
from backend.errors import RunNotFound, SteerscopeError, StudyFaults, UnreadableFile
from backend.jobs.queue import JobQueue
from backend.runs.results import Results
from backend.settings import Settings, load_settings
from backend.store import catalog
from pages.shared.plain import as_text

# Arrays of a whole study, such as the lab's inner products: few are in use at a time.
MOST_ARRAYS = 24
# Which files were found damaged or deleted in this session.
_GONE = "files that are gone"


@st.cache_resource
def _store() -> Settings:
    """Where the store is, shared by all sessions. Where log-in is on, nobody may change anything
    by these."""
    found = load_settings()
    found.make_folders()
    return found if found.log_in is None else dataclasses.replace(found, actor=NOBODY)


def settings() -> Settings:
    """Where the store is, and who asks.

    Raises:
        NotAllowed: log-in is on, and who asks may not even look.
    """
    found = _store()
    if found.log_in is None:
        return found
    return dataclasses.replace(found, actor=found.log_in.actor(st.user))


@st.cache_resource
def results() -> Results:
    """What views compute from runs, shared by all sessions."""
    return Results(_store())


@st.cache_resource
def arrays() -> Results:
    """Likewise, for what holds the arrays of a whole study."""
    return Results(_store(), MOST_ARRAYS)


@st.cache_resource
def _queue() -> JobQueue:
    return JobQueue(_store())


def queue() -> JobQueue:
    """The job queue, as who asks may use it; its client is shared by all sessions."""
    return _queue().asked_by(settings())


def study_list() -> catalog.StudyList:
    """All studies there are now."""
    return catalog.study_list(settings())


def run_list() -> catalog.RunList:
    """All runs there are now."""
    return catalog.run_list(settings())


@contextmanager
def faults_shown() -> Iterator[None]:
    """Show a fault the user can mend as a sentence and go on with the rest of the page."""
    try:
        yield
    except StudyFaults as fault:
        count = len(fault.faults)
        faults = "1 fault" if count == 1 else f"{count} faults"
        st.error(f"**{faults} in the study. Nothing was imported.**")
        st.dataframe(
            [
                {
                    "file": f.file,
                    "line": "whole file" if f.line is None else str(f.line),
                    "what": f.what,
                    "remedy": f.remedy,
                }
                for f in fault.faults
            ],
            hide_index=True,
            width="stretch",
        )
    except (UnreadableFile, RunNotFound) as fault:
        # A file found damaged, or deleted meanwhile, has left the lists: the page is drawn again
        # without it.
        told: set[str] = st.session_state.setdefault(_GONE, set())
        if fault.what not in told:
            told.add(fault.what)
            st.rerun()
        show_fault(fault)
    except SteerscopeError as fault:
        show_fault(fault)


def show_fault(fault: SteerscopeError) -> None:
    """Show a fault as three sentences, whatever its texts hold.

    Args:
        fault: what was wrong, what was expected, what to do.
    """
    what, expected, remedy = map(as_text, (fault.what, fault.expected, fault.remedy))
    st.error(f"**{what}**  \nExpected: {expected}  \nRemedy: {remedy}")

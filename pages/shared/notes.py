"""Notes on a run, cell or prompt: read, written and deleted on the page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.store.note import (
    LONGEST_AUTHOR,
    LONGEST_TEXT,
    About,
    Note,
    NoteList,
    delete_note,
    note_list,
    publish_note,
)
from backend.store.run_values import RunSummary
from backend.views.notes.words import about_text, byline, notes_of
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text

_PLACE = "notes"
_SUBJECT, _TEXT, _AUTHOR, _KNOWN = "note_about", "note_text", "note_author", "note_author_known"


def notes_expander(
    run: RunSummary, trait: str, prompt_set: str, layer: int, prompt_id: int | None = None
) -> None:
    """The notes on a run, a cell of it and its prompts, with a form for a new one.

    Args:
        run: the shown run.
        trait: of the shown cell.
        prompt_set: likewise.
        layer: likewise.
        prompt_id: the open prompt; None where there is none.
    """
    subjects = [About("cell", run.study_key, run.run_id, trait, prompt_set, layer), _whole(run)]
    if prompt_id is not None:
        prompt = About("prompt", run.study_key, "", trait, prompt_set, None, prompt_id)
        subjects.insert(0, prompt)
    known = note_list(data.settings())
    _expander(known, notes_of(known.notes, run, trait, prompt_set), subjects)


def run_notes_expander(run: RunSummary) -> None:
    """All notes on a run, its cells and its prompts, with a form for a new one on the run.

    Args:
        run: the run.
    """
    known = note_list(data.settings())
    _expander(known, notes_of(known.notes, run), [_whole(run)])


def _whole(run: RunSummary) -> About:
    return About("run", run.study_key, run.run_id)


def _expander(known: NoteList, found: Sequence[Note], subjects: Sequence[About]) -> None:
    count = f" ({len(found)})" if found else ""
    with st.expander(f"Notes{count}", icon=":material/sticky_note_2:", key="notes"):
        for note in found:
            left, right = st.columns([6, 1], vertical_alignment="center")
            with left:
                # As text: a name could hold marks too.
                st.text(f"{about_text(note.about)} · {byline(note)}", width="stretch")
                st.text(note.text, width="stretch")
            right.button(
                "Delete",
                key=f"delete {note.name}",
                icon=":material/delete:",
                type="tertiary",
                on_click=act,
                args=(_PLACE, delete_note, data.settings(), note.name),
            )
        for name, why in known.broken.items():
            st.warning(
                f"**{as_text(name)}** is left out. {as_text(why)}", icon=":material/broken_image:"
            )
        fault_shown(_PLACE)
        _form(subjects)


def _form(subjects: Sequence[About]) -> None:
    with st.form("note", clear_on_submit=True, border=False):
        st.radio(
            "A new note on",
            range(len(subjects)),
            format_func=lambda number: about_text(subjects[number]),
            horizontal=True,
            key=_SUBJECT,
        )
        st.text_area("Note", max_chars=LONGEST_TEXT, height=90, key=_TEXT)
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        # Who has logged in signs with the address they logged in by.
        if data.settings().actor is None:
            left.text_input(
                "Your name",
                value=st.session_state.get(_KNOWN, ""),
                max_chars=LONGEST_AUTHOR,
                key=_AUTHOR,
                help="Kept with the note and shown in reports; may be left empty.",
            )
        right.form_submit_button(
            "Save note",
            icon=":material/add:",
            width="stretch",
            on_click=act,
            args=(_PLACE, _save, subjects),
        )


def _save(subjects: Sequence[About]) -> None:
    state = st.session_state
    author = state.get(_AUTHOR, "")
    publish_note(data.settings(), subjects[state[_SUBJECT]], state[_TEXT], author)
    state[_KNOWN] = author

"""The Runs page: upload activations, see what is understood of them, and make a run."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.poolings import POOLINGS, pooling_title
from backend.runs.imported_activations import (
    SUFFIXES,
    ActivationChoice,
    UnderstoodActivations,
    keep_activations,
    understand_upload,
)
from backend.runs.requests import parse_layers
from backend.studies.tables import FORMATS
from backend.types import Progress
from backend.views.imports.activations import BEFORE, understood_activations
from backend.views.shared.study_names import study_names
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.layer_numbering import layer_numbering
from pages.shared.navigate import open_page
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection
from pages.shared.states import progress_words

# Whether it is unfolded.
ACTIVATIONS = "import_activations"
_CHECK, _FOUND, _KEPT = "activations_check", "activations_found", "activations_kept"
_FILE, _TABLE, _STUDY = "activations_file", "activations_table", "activations_study"
_MODEL, _POOLING, _NUMBERING = "activations_model", "activations_pooling", "activations_numbering"
_LAYERS, _DEPTH = "activations_layers", "activations_depth"
_SAID = (_STUDY, _MODEL, _POOLING, _NUMBERING, _LAYERS, _DEPTH)


@dataclass(frozen=True, eq=False)
class _Checked:
    """What was understood of an upload.

    Attributes:
        said: the fields and files when it was checked.
        found: the activations and their study.
    """

    said: tuple[object, ...]
    found: UnderstoodActivations


def activation_import(chosen: Selection) -> None:
    """A file, what it is of, what is understood, and the button that makes a run of it; folded away
    until it is opened.

    Args:
        chosen: the sidebar's study is the one that is offered first.
    """
    with st.expander(
        "Import activations", icon=":material/upload_file:", key=ACTIVATIONS, on_change="rerun"
    ):
        studies = study_names(data.study_list().studies)
        if not studies:
            st.info("Import their study first.")
            return
        st.caption(BEFORE)
        _fields(studies, chosen)
        st.button(
            "Check the file",
            icon=":material/fact_check:",
            on_click=act,
            args=(_CHECK, _check),
            disabled=st.session_state[_FILE] is None,
        )
        fault_shown(_CHECK)
        if kept := st.session_state.get(_KEPT):
            _kept(*kept)
        checked: _Checked | None = st.session_state.get(_FOUND)
        if checked is not None and checked.said == _said():
            _preview(checked)


def _fields(studies: dict[str, str], chosen: Selection) -> None:
    left, right = st.columns(2)
    left.file_uploader(
        "Activations, [texts, layers, d]", type=[suffix[1:] for suffix in SUFFIXES], key=_FILE
    )
    right.file_uploader(
        "Table of the texts (optional)",
        type=[form.suffix.removeprefix(".") for form in FORMATS],
        key=_TABLE,
        help="Where the file has one tensor: a row a text, named by prompt, by scenario with turn "
        "and responder, or by text; optionally tokens.",
    )
    keys = list(studies)
    left.selectbox(
        "Study of these texts",
        keys,
        index=keys.index(chosen.study.key) if chosen.study else 0,
        format_func=lambda key: f"{studies[key]} · {key}",
        key=_STUDY,
    )
    right.text_input("Model that gave them", key=_MODEL, placeholder="in a word")
    left.selectbox(
        "How tokens were pooled",
        (*POOLINGS, "first-5", "end-2"),
        format_func=pooling_title,
        accept_new_options=True,
        help="Or type first-10, or end-3 for the third token from the end.",
        key=_POOLING,
    )
    layer_numbering(right, _NUMBERING)
    left.text_input(
        "Layers of the file",
        key=_LAYERS,
        placeholder="all, from 0",
        help="Such as 8-19, in the file's own numbering.",
    )
    right.number_input(
        "Decoder blocks of the model",
        1,
        None,
        None,
        key=_DEPTH,
        placeholder="only where layers are named",
    )


def _said() -> tuple[object, ...]:
    """The fields and files as they are now."""
    files: list[UploadedFile | None] = [st.session_state[_FILE], st.session_state[_TABLE]]
    return (
        *(None if file is None else file.file_id for file in files),
        *(st.session_state[key] for key in _SAID),
    )


def _check() -> None:
    st.session_state[_FOUND] = None
    said = st.session_state
    file, table = said[_FILE], said[_TABLE]
    layers = (said[_LAYERS] or "").strip()
    choice = ActivationChoice(
        model=(said[_MODEL] or "").strip(),
        pooling=said[_POOLING] or "",
        numbering=said[_NUMBERING],
        numbers=parse_layers(layers) if layers else (),
        depth=said[_DEPTH],
    )
    found = understand_upload(
        data.settings(),
        (file.name, file.getvalue()),
        said[_STUDY],
        choice,
        None if table is None else (table.name, table.getvalue()),
    )
    said[_FOUND] = _Checked(_said(), found)
    said.pop(_KEPT, None)


def _preview(checked: _Checked) -> None:
    """What is understood, and the button that makes a run of it."""
    with st.container(border=True, key="activations_preview"):
        said = understood_activations(checked.found)
        st.markdown(f"**Nothing is kept yet.** {as_text(said)}")
        if st.button("Make a run of them", type="primary", icon=":material/save:"):
            _keep(checked)


def _keep(checked: _Checked) -> None:
    """Made here and not by a worker, which may be on a machine without the file."""
    bar = st.progress(0.0)

    def report(progress: Progress) -> None:
        share, text = progress_words(progress)
        bar.progress(share, text=as_text(text))

    with data.faults_shown():
        kept = keep_activations(data.settings(), checked.found, report)
        st.session_state[_FOUND] = None
        st.session_state[_KEPT] = (checked.found.study, kept)
        st.rerun()


def _kept(study: str, run_id: str) -> None:
    """What was made of the last upload, and the way to it; the sidebar may show another run."""
    st.success(f"Imported as the run **{as_text(run_id)}**.")
    st.button(
        "Open its scorecard",
        icon=":material/grid_on:",
        on_click=open_page,
        args=("pages/scorecard.py", {"study": study, "run": run_id}),
    )

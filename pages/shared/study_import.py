"""The Runs page: upload a study, see what is understood of it, and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from backend.errors import UnknownTables
from backend.studies.imports import CheckedStudy, check_upload, keep_checked, upload_tables
from backend.studies.mapping.form import StudyMapping, mapping_json
from backend.studies.mapping.guess import guess_mapping, unused_columns
from backend.studies.parsed_files import SUFFIXES, Files
from backend.studies.pole_thresholds import LEAST_COHERENCE, LEAST_SCORE, pole_thresholds
from backend.views.imports.tables import example_rows, note_rows, trait_rows
from backend.views.imports.words import not_read, not_used, understood
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.column_form import column_form
from pages.shared.plain import as_text

# Whether the import is unfolded.
IMPORT = "import_study"
# Fields of thresholds: high side, low side, coherence.
_THRESHOLDS = ("import_least_score", "import_most_score", "import_least_coherence")
_CHECK, _COLUMNS, _KEEP = "check", "check_columns", "keep"
_FILES, _NAME, _UPLOAD, _KEPT = "import_files", "import_name", "import_upload", "imported"


@dataclass(frozen=True)
class _Upload:
    """What is known of the files that were uploaded last.

    Attributes:
        ids: of the files.
        name: of the study, as typed.
        typed: thresholds of scores, as typed; of files in a known format.
        tables: the files parsed, where their columns are to be said; None in a known format.
        guess: what the columns probably are.
        mapping: what was said of them when they were checked last.
        checked: the study, if nothing is wrong with it.
    """

    ids: tuple[str, ...]
    name: str
    typed: tuple[str, str, str] = ("", "", "")
    tables: Files | None = None
    guess: StudyMapping | None = None
    mapping: StudyMapping | None = None
    checked: CheckedStudy | None = None


def study_import() -> None:
    """Upload a study, look at it and keep it; folded away until it is opened."""
    with st.expander(
        "Import a study", icon=":material/upload_file:", key=IMPORT, on_change="rerun"
    ):
        _import_form()


def _import_form() -> None:
    st.file_uploader(
        "A zip; prompts.* with optional responses.* and study.json; another tool's files; or any "
        "tables",
        type=["zip", *(suffix.removeprefix(".") for suffix in SUFFIXES)],
        accept_multiple_files=True,
        key=_FILES,
    )
    st.text_input("Name of the study", key=_NAME, help="Small letters, digits, dots and dashes.")
    _threshold_fields()
    with st.container(horizontal=True, gap="small"):
        st.button("Check", icon=":material/fact_check:", on_click=act, args=(_CHECK, _check))
        st.button(
            "Say what the columns are",
            icon=":material/table_edit:",
            on_click=act,
            args=(_CHECK, _map),
            disabled=not st.session_state[_FILES],
            help="For tables that are in no known format, or not read as they are meant.",
        )
    fault_shown(_CHECK)
    if key := st.session_state.pop(_KEPT, None):
        st.success(
            f"Imported as **{as_text(key)}** and chosen in the sidebar. It can be extracted below."
        )
    upload = _current()
    if upload is None:
        return
    mapping = None
    if upload.tables is not None and upload.guess is not None:
        st.markdown("**What do the columns hold?** The fields are filled in by a guess.")
        mapping = column_form(upload.tables, upload.guess, " ".join(upload.ids))
        if broken := not_read(upload.tables):
            st.caption(as_text(broken))
        if left := not_used(unused_columns(upload.tables, mapping)):
            st.caption(as_text(left))
        st.button(
            "Check these columns",
            icon=":material/fact_check:",
            on_click=act,
            args=(_COLUMNS, _check_columns, mapping),
            type="secondary" if upload.checked else "primary",
        )
        st.download_button(
            "Download this mapping",
            mapping_json(mapping),
            "mapping.json",
            "application/json",
            icon=":material/download:",
            help="For the command line: import-study PATH --mapping mapping.json",
            on_click="ignore",
        )
        fault_shown(_COLUMNS)
    if upload.checked is not None and upload.mapping == mapping:
        _preview(upload.checked)
    fault_shown(_KEEP)


def _threshold_fields() -> None:
    """Which of another tool's judged answers become prompts; empty fields as the tool has it."""
    with st.expander("Choose poles by judge scores (persona_vectors)", icon=":material/tune:"):
        st.caption(
            "A pair of answers becomes two prompts where the judge agrees. Several least scores, "
            "such as 50,60,70, make a prompt set each; Compare, above, shows r of every set."
        )
        fields = zip(
            _THRESHOLDS,
            ("High side's score at least", "Low side's score at most", "Coherence at least"),
            (f"{LEAST_SCORE:g}", "less than 100 minus that", f"{LEAST_COHERENCE:g}"),
            st.columns(3),
            strict=True,
        )
        for key, label, default, column in fields:
            column.text_input(label, key=key, placeholder=default)


def _typed() -> tuple[str, str, str]:
    """The thresholds as they were typed."""
    least, most, coherence = (str(st.session_state.get(key) or "").strip() for key in _THRESHOLDS)
    return least, most, coherence


def _preview(checked: CheckedStudy) -> None:
    """What is understood of a study, what is left out, and the button that keeps it."""
    with st.container(border=True, key="import_preview"):
        st.markdown(f"**Nothing is kept yet.** {as_text(understood(checked.study))}")
        _table(trait_rows(checked.study))
        st.caption("The first prompt of each pole and the first response, as they would be read:")
        _table(example_rows(checked.study))
        if checked.notes:
            st.caption("How it was read, what is left out, and why:")
            _table(note_rows(checked.notes))
        st.button(
            "Keep this study",
            type="primary",
            icon=":material/save:",
            on_click=act,
            args=(_KEEP, _keep, checked),
        )


def _table(rows: Sequence[object]) -> None:
    st.dataframe(rows, hide_index=True, width="stretch")


def _current() -> _Upload | None:
    """What is known of the files and the name as they are now; None where they have changed."""
    upload: _Upload | None = st.session_state.get(_UPLOAD)
    if upload is None or upload.ids != _ids() or not upload.ids:
        return None
    known_format = upload.tables is None
    if upload.name != st.session_state[_NAME].strip() or (
        known_format and upload.typed != _typed()
    ):
        return replace(upload, checked=None)
    return upload


def _ids() -> tuple[str, ...]:
    return tuple(file.file_id for file in st.session_state[_FILES])


def _files() -> list[tuple[str, bytes]]:
    return [(file.name, file.getvalue()) for file in st.session_state[_FILES]]


def _check() -> None:
    """Check the upload; where its tables are in no known format, ask what their columns are."""
    st.session_state[_UPLOAD] = None
    name = st.session_state[_NAME].strip()
    try:
        chosen = pole_thresholds(*_typed()) if any(_typed()) else None
        checked = check_upload(_files(), name, chosen=chosen)
        found = _Upload(_ids(), name, typed=_typed(), checked=checked)
    except UnknownTables:
        _map()
        return
    st.session_state[_UPLOAD] = found


def _map() -> None:
    """Ask what the columns of the uploaded tables are."""
    tables = upload_tables(_files())
    st.session_state[_UPLOAD] = _Upload(
        _ids(),
        st.session_state[_NAME].strip(),
        tables=tables,
        guess=guess_mapping(tables),
    )


def _check_columns(mapping: StudyMapping) -> None:
    name = st.session_state[_NAME].strip()
    upload: _Upload = replace(st.session_state[_UPLOAD], name=name, mapping=mapping, checked=None)
    st.session_state[_UPLOAD] = upload
    checked = check_upload(_files(), name, mapping)
    st.session_state[_UPLOAD] = replace(upload, checked=checked)


def _keep(checked: CheckedStudy) -> None:
    kept = keep_checked(data.settings(), checked)
    st.session_state[_KEPT] = kept.ref.key
    st.session_state["study"] = kept.ref.key
    st.session_state[_UPLOAD] = None

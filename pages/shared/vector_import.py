"""Import vectors of another tool: say how the file is understood before anything is kept."""

from __future__ import annotations

import streamlit as st

from backend.models.tensor_files import MOST_VECTOR_BYTES, SUFFIXES
from backend.runs.imported_vectors import (
    UnderstoodVectors,
    VectorChoice,
    keep_vectors,
    understand_upload,
)
from backend.runs.requests import parse_layers
from backend.views.methods.imported import ORIGIN, understood_lines
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.layer_numbering import layer_numbering
from pages.shared.plain import as_text

_OPEN, _KEEP, _KEPT = "vectors_open", "vectors_keep", "vectors_kept"
# Counts what was kept, so that the next uploader is an empty one.
_ROUND = "vectors_round"
_FILE, _NAME, _TRAIT, _NUMBERING, _LAYERS = (
    "vectors_file",
    "vectors_name",
    "vectors_trait",
    "vectors_numbering",
    "vectors_layers",
)
_AS_FORMAT = "as the format does"


def vector_import(traits: tuple[str, ...]) -> None:
    """A file, how it is to be understood, what is understood, and the button that keeps it.

    Args:
        traits: of the study that is shown.
    """
    with st.expander("Import vectors of another tool", icon=":material/upload_file:", key=_OPEN):
        st.file_uploader(
            "safetensors, npz, persona_vectors .pt or GGUF control vector",
            type=[suffix.removeprefix(".") for suffix in SUFFIXES],
            max_upload_size=MOST_VECTOR_BYTES // 2**20,
            key=_file_key(),
        )
        left, right = st.columns(2)
        left.selectbox(
            "Trait",
            ["", *traits],
            format_func=lambda name: name.replace("_", " ") or "as the file says",
            key=_TRAIT,
        )
        right.text_input(
            "Name", key=_NAME, placeholder="from the file", help="Small letters, digits and dashes."
        )
        left, right = st.columns(2)
        layer_numbering(left, _NUMBERING, _AS_FORMAT)
        right.text_input(
            "Layers of its rows",
            key=_LAYERS,
            placeholder="as named in the file; a table's rows are counted from 0",
            help="Such as 8-19, in the file's own numbering.",
        )
        with data.faults_shown():
            found = _understood()
            if found is not None:
                lines, notes = understood_lines(found)
                for line in lines:
                    st.markdown(as_text(line))
                for note in notes:
                    st.caption(as_text(note))
                st.caption(ORIGIN)
        st.button("Keep", icon=":material/save:", on_click=act, args=(_KEEP, _keep))
        fault_shown(_KEEP)
        kept = st.session_state.pop(_KEPT, None)
        if kept:
            st.success(f"Kept as {as_text(', '.join(kept))}; shown with the methods above.")


def _understood() -> UnderstoodVectors | None:
    """What the fields say of the file; None without one."""
    said = st.session_state
    file = said.get(_file_key())
    if file is None:
        return None
    layers = (said[_LAYERS] or "").strip()
    choice = VectorChoice(
        name=(said[_NAME] or "").strip(),
        trait=said[_TRAIT] or "",
        numbering="" if said[_NUMBERING] == _AS_FORMAT else said[_NUMBERING],
        numbers=parse_layers(layers) if layers else (),
    )
    return understand_upload(data.settings(), file.name, file.getvalue(), choice)


def _keep() -> None:
    found = _understood()
    if found is not None:
        keep_vectors(data.settings(), found)
        st.session_state[_KEPT] = [vector.name for vector in found.vectors]
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def _file_key() -> str:
    return f"{_FILE} {st.session_state.get(_ROUND, 0)}"

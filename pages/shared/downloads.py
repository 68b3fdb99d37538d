"""What the Report page reads before anything is downloaded, kept between reruns."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from backend.exports import vectors
from backend.exports.tables import Source, Table, list_tables
from backend.runs.saved_vectors import saved_vectors
from pages.shared.data import settings


@st.cache_data(show_spinner=False)
def tables(kind: Literal["run", "study"], name: str) -> tuple[Table, ...]:
    """The tables of a run or study."""
    return list_tables(settings(), Source(kind, name))


@st.cache_data(show_spinner=False)
def method_titles(run_id: str) -> dict[str, str]:
    """The vector methods of a run."""
    return vectors.method_titles(settings(), run_id)


@st.cache_data(show_spinner=False, max_entries=4)
def vector_set(
    run_id: str,
    traits: tuple[str, ...],
    methods: tuple[str, ...],
    prompt_set: str,
    layers: vectors.Layers,
) -> vectors.VectorSet:
    """Vectors of a run, for export."""
    choice = vectors.Choice(run_id, traits, methods, prompt_set, layers)
    return vectors.read_vectors(settings(), choice)


@st.cache_data(show_spinner=False, ttl=1.0)
def saved_names(run_id: str) -> tuple[str, ...]:
    """Names of the vectors saved of a run; read again after a second, as another may be saved."""
    return tuple(saved.name for saved in saved_vectors(settings()) if saved.run_id == run_id)


@st.cache_data(show_spinner=False)
def saved_set(name: str) -> vectors.VectorSet:
    """A saved vector, for export."""
    return vectors.read_saved(settings(), name)

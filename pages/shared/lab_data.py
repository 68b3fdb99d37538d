"""What the Filter lab reads, kept between moves: arrays once per study and metric."""

from __future__ import annotations

import streamlit as st

from backend.views.filter_lab import axis as lab_axis
from backend.views.filter_lab import cells as lab_cells
from backend.views.filter_lab import compute as lab
from backend.views.filter_lab import intervals as lab_rest
from pages.shared.data import settings

Runs = tuple[str, ...]


@st.cache_resource(show_spinner="Reading the study's cells", max_entries=8)
def stack(runs: Runs, prompt_set: str, metric: str) -> lab_cells.LabStack:
    """Inner products of all cells of some runs under a metric; read-only."""
    return lab_cells.lab_stack(settings(), runs, prompt_set, metric)


@st.cache_resource(show_spinner=False, max_entries=8)
def base(runs: Runs, prompt_set: str) -> lab.LabBase:
    """The cells as published."""
    return lab.lab_base(stack(runs, prompt_set, lab.IDENTITY))


@st.cache_data(show_spinner=False)
def metrics(runs: Runs) -> dict[str, str]:
    """Metrics that the runs have -> their titles."""
    return lab_cells.metric_titles(settings(), runs)


@st.cache_data(show_spinner=False)
def metric_note(place: lab_cells.Key, metric: str) -> str:
    """What a metric did at one cell, such as which coordinates are massive."""
    return lab_cells.metric_note(settings(), place, metric)


@st.cache_resource(show_spinner=False, max_entries=32)
def texts(run_id: str, trait: str, prompt_set: str) -> dict[int, str]:
    """Prompt id -> text of the prompts of one trait."""
    return lab_cells.prompt_texts(settings(), run_id, trait, prompt_set)


@st.cache_resource(show_spinner=False, max_entries=32)
def cosines(runs: Runs, prompt_set: str, unfiltered: lab_axis.Pipeline) -> lab_axis.CosineRange:
    """Cosines to the filter's reference; the pipeline without its threshold."""
    return lab_axis.cosine_range(stack(runs, prompt_set, unfiltered.metric), unfiltered)


@st.cache_resource(show_spinner=False, max_entries=64)
def steps(
    runs: Runs, prompt_set: str, unfiltered: lab_axis.Pipeline, place: lab_cells.Key
) -> lab_axis.Steps | None:
    """One cell along the threshold axis; the pipeline without its threshold."""
    return lab_axis.cell_steps(stack(runs, prompt_set, unfiltered.metric), unfiltered, place)


@st.cache_resource(show_spinner=False, max_entries=16)
def cases(place: lab_cells.Key, prompt_set: str, metric: str) -> lab_rest.LabCases:
    """The cases of one cell under a metric."""
    return lab_rest.lab_cases(settings(), place, prompt_set, metric)


@st.cache_data(show_spinner=False, max_entries=256)
def rest(
    runs: Runs, prompt_set: str, pipeline: lab_axis.Pipeline, place: lab_cells.Key
) -> lab_rest.LabRest:
    """Intervals of one cell."""
    filtered = pipeline.filter_reference != "none"
    return lab_rest.lab_rest(
        cases(place, prompt_set, lab.IDENTITY),
        cases(place, prompt_set, pipeline.metric),
        stack(runs, prompt_set, lab.IDENTITY),
        stack(runs, prompt_set, pipeline.metric),
        pipeline,
        place,
        steps(runs, prompt_set, lab_axis.without_threshold(pipeline), place) if filtered else None,
    )

"""What the Runs page reads, kept between reruns."""

from __future__ import annotations

import streamlit as st

from backend.jobs.prompt_sets import Lines
from backend.jobs.prompt_sets import starting_lines as read_lines
from backend.queries import forecast as forecasts
from backend.queries.comparison import Comparison, Side, compare
from backend.types import ExtractionRequest
from pages.shared.data import run_list, settings


@st.cache_data(ttl=10.0, show_spinner=False)
def forecast(request: ExtractionRequest) -> forecasts.Forecast:
    """What an extraction will take; told anew after seconds, as free memory changes."""
    return forecasts.forecast(settings(), request, run_list().runs)


@st.cache_data(show_spinner="Comparing the runs")
def comparison(first: Side, second: Side, layer: int | None) -> Comparison:
    """Two runs side by side."""
    return compare(settings(), first, second, layer)


@st.cache_data(show_spinner=False)
def starting_lines(study: str, prompt_set: str) -> dict[str, Lines]:
    """The prompts of a set, to edit."""
    return read_lines(settings(), study, prompt_set)

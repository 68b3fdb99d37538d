"""What the Runs page reads, kept between reruns."""

from __future__ import annotations

import streamlit as st

from backend.studies.new_prompt_set import Lines
from backend.studies.new_prompt_set import starting_lines as read_lines
from backend.types import ExtractionRequest
from backend.views.runs import forecast as forecasts
from backend.views.runs.comparison import Comparison, Side, compare
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

"""The Filter lab's settings in an address, and a button that opens the lab with them."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.core.vectors.pipeline import Pipeline
from backend.views.filter_lab.axis import KEEP_ALL
from pages.shared.navigate import open_page

ROWS, REFERENCE, THRESHOLD, CENTRE, DENOISE, METRIC = (
    "lab_rows",
    "lab_reference",
    "lab_threshold",
    "lab_centre",
    "lab_denoise",
    "lab_metric",
)
LAB = "pages/filter_lab.py"
# Outlives the lab's widgets, whose state ends when another page is opened.
_KEPT = "lab_kept"


def lab_parameters(pipeline: Pipeline) -> dict[str, str]:
    """A pipeline as the lab's parameters in the address.

    A pipeline without a filter is a filter that keeps all, so that the slider can be moved.
    """
    unfiltered = pipeline.filter_reference == "none"
    return {
        ROWS: pipeline.row_scaling,
        REFERENCE: "mean" if unfiltered else pipeline.filter_reference,
        THRESHOLD: f"{KEEP_ALL if unfiltered else pipeline.threshold:g}",
        CENTRE: pipeline.centre,
        DENOISE: str(pipeline.denoise),
        METRIC: pipeline.metric,
    }


def recall() -> None:
    """Take the settings the lab was left with, where the address says nothing else.

    Called once per run of the lab's page, before its controls.
    """
    kept: dict[str, str] = st.session_state.get(_KEPT, {})
    for key, value in kept.items():
        if key not in st.query_params:
            st.query_params[key] = value


def remember(pipeline: Pipeline) -> None:
    """Keep the settings for the next visit; after the lab's controls.

    Args:
        pipeline: what they say.
    """
    kept = lab_parameters(pipeline) | {REFERENCE: pipeline.filter_reference}
    st.session_state[_KEPT] = kept


def apply(pipeline: Pipeline) -> None:
    """Set the lab's controls; for a button's callback on the lab's own page."""
    for key, value in lab_parameters(pipeline).items():
        st.query_params[key] = value
        if key != THRESHOLD:
            st.session_state[key] = value
    for key in [str(key) for key in st.session_state]:
        if key.startswith(f"{THRESHOLD} "):
            del st.session_state[key]


def open_lab(
    pipeline: Pipeline, layer: int | None = None, choices: Mapping[str, object] | None = None
) -> None:
    """Ask for the Filter lab with a pipeline; for a callback.

    Args:
        pipeline: the settings.
        layer: the sidebar's layer while the lab is shown; None leaves it.
        choices: of the sidebar, such as another trait.
    """
    passing = {} if layer is None else {"layer": str(layer)}
    open_page(LAB, choices or {}, lab_parameters(pipeline), passing)


def try_in_lab(label: str, key: str, pipeline: Pipeline, layer: int | None = None) -> None:
    """A button that opens the Filter lab with a pipeline, for the trait and run of the sidebar.

    Args:
        label: on the button.
        key: unique on the page.
        pipeline: the settings.
        layer: see :func:`open_lab`.
    """
    st.button(
        label,
        key=key,
        icon=":material/tune:",
        type="primary",
        on_click=open_lab,
        args=(pipeline, layer),
    )

"""The Filter lab's controls, kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import streamlit as st

from backend.core.vectors.pipeline import Centre, Pipeline, RowScaling
from backend.views.filter_lab.axis import KEEP_ALL, CosineRange
from backend.views.filter_lab.words import REFERENCES
from pages.shared import lab_link as link
from pages.shared.address import segmented, select, write

STEP = 0.005
PRESETS = {
    "As published": Pipeline(),
    "Solution A: cosine ≥ 0.80": Pipeline(filter_reference="mean", threshold=0.8),
    "Solution C: remove 1 PC": Pipeline(denoise=1),
}
_ROWS = {"none": "as they are", "unit": "unit norm"}
_CENTRES = {"mean": "mean", "geometric_median": "geometric median"}
_REMOVED = {str(k): str(k) for k in range(6)}


def presets() -> None:
    """Buttons that set all controls at once."""
    with st.container(horizontal=True, gap="small"):
        for label, pipeline in PRESETS.items():
            st.button(label, on_click=link.apply, args=(pipeline,), key=f"preset {label}")


def pipeline_controls(inner_products: Mapping[str, str]) -> Pipeline:
    """All controls but the threshold, which keeps every prompt in what is returned.

    Args:
        inner_products: those that the runs have -> their titles.
    """
    reference = segmented(
        "Compare each prompt with",
        list(REFERENCES),
        link.REFERENCE,
        REFERENCES,
        help="The filter keeps prompts with a high cosine to this. With the mean of the others, "
        "a prompt is not compared with itself.",
    )
    rows = segmented(
        "Length of prompts",
        list(_ROWS),
        link.ROWS,
        _ROWS,
        help="Unit norm: a long activation weighs no more than the others.",
    )
    centre = segmented(
        "Centre of a pole",
        list(_CENTRES),
        link.CENTRE,
        _CENTRES,
        help="Outliers hardly move the geometric median.",
    )
    denoise = segmented(
        "Within-class components removed",
        list(_REMOVED),
        link.DENOISE,
        _REMOVED,
        help="Principal components of the differences within a pole (Solution C of the study).",
    )
    metric = select("Inner product", list(inner_products), link.METRIC, inner_products)
    return Pipeline(
        row_scaling=cast("RowScaling", rows),
        filter_reference=reference,
        threshold=KEEP_ALL,
        centre=cast("Centre", centre),
        denoise=int(denoise),
        metric=metric,
    )


def threshold_slider(pipeline: Pipeline, cosines: CosineRange) -> tuple[float, float]:
    """The threshold and the end of its axis.

    At its low end the slider keeps every prompt of every cell, which the address says as -1: it
    holds for any other choice too.

    Args:
        pipeline: the other choices.
        cosines: the axis; it is widened to hold a threshold from the address.
    """
    try:
        wanted = float(st.query_params.get(link.THRESHOLD, KEEP_ALL))
    except ValueError:
        wanted = KEEP_ALL
    if not -1 <= wanted <= 1:
        wanted = KEEP_ALL
    high = max(cosines.high, wanted)
    key = f"{link.THRESHOLD} {cosines.low:g} {high:g}"
    if key not in st.session_state:
        st.session_state[key] = max(wanted, cosines.low)
    chosen = st.slider(
        "Keep prompts with a cosine of at least",
        cosines.low,
        high,
        step=STEP,
        format="%.3f",
        key=key,
        disabled=pipeline.filter_reference == "none",
        help="The left end keeps every prompt. The axis spans the cosines of all cells.",
    )
    threshold = KEEP_ALL if chosen <= cosines.low else round(float(chosen), 6)
    write(link.THRESHOLD, f"{threshold:g}")
    return threshold, high

"""Put a figure that moves with a slider on the page: no theme is merged into it."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from backend.views.shared.style import IMAGE_FORMATS, mode_bar
from pages.shared.figures import IMAGES, labelled


def show_live(figure: go.Figure, key: str, label: str) -> None:
    """Draw a figure over the full width, styled by its maker alone.

    Args:
        figure: from backend.views.filter_lab.figures.
        key: unique on the page.
        label: see :func:`pages.shared.figures.labelled`.
    """
    config = mode_bar(st.session_state.get(IMAGES, IMAGE_FORMATS[0]), key)
    st.plotly_chart(labelled(figure, label), key=key, width="stretch", theme=None, config=config)

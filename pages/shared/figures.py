"""Put a figure on the page, with text that can be read on the page's theme."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from backend.charts.style import MODE_BAR

_TEXT = {"light": "#1B2430", "dark": "#E8EDF3"}


def show(figure: go.Figure, key: str) -> None:
    """Draw a figure over the full width.

    Args:
        figure: from backend.charts.
        key: unique on the page.
    """
    colour = _TEXT.get(st.context.theme.type or "light", _TEXT["light"])
    figure.update_layout(font_color=colour, legend_font_color=colour)
    figure.update_xaxes(tickfont_color=colour, title_font_color=colour)
    figure.update_yaxes(tickfont_color=colour, title_font_color=colour)
    figure.update_coloraxes(colorbar_tickfont_color=colour)
    figure.update_traces(
        colorbar={"tickfont": {"color": colour}, "title": {"font": {"color": colour}}},
        selector={"type": "heatmap"},
    )
    st.plotly_chart(figure, key=key, width="stretch", config=MODE_BAR)

"""Put a figure on the page, with text that can be read on the page's theme."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend.views.shared.style import IMAGE_FORMATS, mode_bar

# Where the sidebar keeps in which format the mode bar saves a chart.
IMAGES = "images"
_TEXT = {"light": "#0A1018", "dark": "#E8EDF3"}


def text_colour() -> str:
    """Colour of text on the page's theme."""
    return _TEXT.get(st.context.theme.type or "light", _TEXT["light"])


def labelled(figure: go.Figure, label: str) -> go.Figure:
    """The figure with its name, which ``charts.js`` gives to screen readers.

    Args:
        figure: changed in place.
        label: what is to be seen, without a full stop.
    """
    return figure.update_layout(meta={"label": label})


def show(
    figure: go.Figure,
    key: str,
    label: str,
    on_pick: Callable[[], None] | None = None,
    least_width: int | None = None,
) -> None:
    """Draw a figure over the full width.

    Args:
        figure: from a view.
        key: unique on the page.
        label: see :func:`labelled`.
        on_pick: called before the rerun that clicking a point starts; see :func:`picked`.
        least_width: pixels below which its numbers would run together; on a narrower screen it
            scrolls sideways. None for a figure that is read at any width.
    """
    labelled(figure, label)
    colour = text_colour()
    figure.update_layout(font_color=colour, legend_font_color=colour)
    figure.update_xaxes(tickfont_color=colour, title_font_color=colour)
    figure.update_yaxes(tickfont_color=colour, title_font_color=colour)
    figure.update_coloraxes(colorbar_tickfont_color=colour)
    figure.update_traces(
        colorbar={"tickfont": {"color": colour}, "title": {"font": {"color": colour}}},
        selector={"type": "heatmap"},
    )
    config = mode_bar(st.session_state.get(IMAGES, IMAGE_FORMATS[0]), key)
    with nullcontext() if least_width is None else _scrolling(key, least_width):
        if on_pick is None:
            st.plotly_chart(figure, key=key, width="stretch", config=config)
        else:
            st.plotly_chart(
                figure,
                key=key,
                width="stretch",
                config=config,
                on_select=on_pick,
                selection_mode="points",
            )


def _scrolling(key: str, least_width: int) -> DeltaGenerator:
    """A place that scrolls sideways where it is narrower than what stands in it."""
    place = st.container(key=f"wide_{key}")
    own = f".st-key-wide_{key}"
    inner = f"{own} > * {{min-width: {least_width}px}}"
    place.html(f"<style>{own} {{overflow-x: auto}} {inner}</style>")
    return place


def picked(key: str) -> float | str | None:
    """The x of the point clicked in a figure, for its ``on_pick``; None if none was.

    Args:
        key: of the figure.
    """
    points = st.session_state[key].selection.points
    return points[0]["x"] if points else None

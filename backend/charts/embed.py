"""Figures inside a file of our own: the charting library and a figure as JSON."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

__all__ = ["Figure", "figure_height", "figure_json", "plotly_script"]

Figure = go.Figure


def plotly_script() -> str:
    """The whole of plotly.js, about 4.8 MB, to be put into a script element once."""
    source: str = get_plotlyjs()
    return source


def figure_json(figure: go.Figure) -> str:
    """A figure as JSON that is safe inside a script element.

    Colours of text, grid and background are left to the page that draws it, so that they follow
    its theme.

    Args:
        figure: from backend.charts; it is not changed.
    """
    plain = go.Figure(figure).update_layout(template="none")
    # "<" would end the script element early if a text held "</script>".
    text: str = plain.to_json()
    return text.replace("<", "\\u003c")


def figure_height(figure: go.Figure) -> int:
    """Height in pixels, 420 where the figure does not say."""
    return int(figure.layout.height or 420)

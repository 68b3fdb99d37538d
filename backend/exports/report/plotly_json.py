"""Figures inside a file of our own: the charting library and a figure as JSON."""

from __future__ import annotations

from functools import cache

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs


def plotly_script() -> str:
    """The whole of plotly.js, about 4.8 MB, to be put into a script element once."""
    source: str = get_plotlyjs()
    return source


def figure_json(figure: go.Figure) -> str:
    """A figure as JSON that is safe inside a script element.

    Colours of text, grid and background are left to the page that draws it, so that they follow
    its theme.

    Args:
        figure: from a view; it is not changed.
    """
    values = figure.to_plotly_json()
    values["layout"]["template"] = _plain_template()
    # Not validated again: copying a figure takes longer than all the rest of a report.
    text: str = plotly.io.to_json(values, validate=False)
    # "<" would end the script element early if a text held "</script>".
    return text.replace("<", "\\u003c")


def figure_height(figure: go.Figure) -> int:
    """Height in pixels, 420 where the figure does not say."""
    return int(figure.layout.height or 420)


@cache
def _plain_template() -> dict[str, object]:
    """Plotly's template without colours of its own."""
    found: dict[str, object] = plotly.io.templates["none"].to_plotly_json()
    return found

"""One palette and one layout for every chart.

Colours are Okabe and Ito's, which stay apart under the common kinds of colour blindness; poles
and statuses differ in symbol too, so nothing is told by colour alone.
"""

from __future__ import annotations

import html
import textwrap

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

BLUE, VERMILION, GREEN, ORANGE, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#8A8F98"

POLE_COLOURS = {"high": VERMILION, "low": BLUE}
POLE_SYMBOLS = {"high": "triangle-up", "low": "triangle-down"}
STATUS_COLOURS = {"working": GREEN, "close": ORANGE, "failed": VERMILION, "undefined": GREY}
STATUS_SYMBOLS = {"working": "circle", "close": "diamond", "failed": "x", "undefined": "line-ew"}
STATUS_SIGNS = {"working": "●", "close": "◆", "failed": "✕", "undefined": "–"}

# Blue below, grey at the centre, orange above: symmetric in lightness, safe for colour blindness,
# and readable on a light and on a dark page.
DIVERGING = [
    [0.0, "#2166AC"],
    [0.25, "#7FB1D6"],
    [0.5, "#E6E6E6"],
    [0.75, "#F0A860"],
    [1.0, "#B35806"],
]
SEQUENTIAL = "Cividis"

# Text on a coloured cell, on either theme.
INK = "#10151C"

# Of these two, one has a contrast of 4.5 on any colour.
BLACK, WHITE = "#000000", "#FFFFFF"

# Below the chart, where it takes no width from a narrow screen.
COLOUR_BAR = {"orientation": "h", "thickness": 8, "y": 0, "yanchor": "top"}

MODE_BAR = {
    "displaylogo": False,
    # Plotly would otherwise offer to upload the chart to its own cloud.
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    "responsive": True,
}

IMAGE_FORMATS = ("svg", "png")


def mode_bar(image: str, name: str) -> dict[str, object]:
    """The mode bar with a button that saves the chart.

    Args:
        image: one of IMAGE_FORMATS; a PNG has twice the pixels, for print.
        name: of the saved file, without its ending.
    """
    scale = 2 if image == "png" else 1
    options = {"format": image, "filename": f"steerscope-{name}", "scale": scale}
    return MODE_BAR | {"toImageButtonOptions": options}


def tidy(figure: go.Figure, *, height: int) -> go.Figure:
    """Margins, font and hover that all charts share.

    Args:
        figure: changed in place.
        height: pixels.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        font={"size": 13},
        hoverlabel={"align": "left", "namelength": -1},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0.0, "title": None},
        dragmode=False,
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    return figure


def diverging(value: float) -> str:
    """Colour of a value between -1 and 1 on the diverging scale, as #RRGGBB; beyond, of its end."""
    place = (max(-1.0, min(1.0, value)) + 1) / 2
    (found,) = sample_colorscale(DIVERGING, [place], colortype="tuple")
    return "#" + "".join(f"{round(255 * part):02X}" for part in found)


def ink_on(fill: str) -> str:
    """The colour of text on a ground, black or white. Args: fill: as #RRGGBB."""
    return BLACK if contrast(fill, BLACK) >= contrast(fill, WHITE) else WHITE


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2: 1 for equal ones, 21 for black on white."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [value / 255 for value in _rgb(colour)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def wrapped(text: str, width: int = 56) -> str:
    """Text for a hover box: escaped, broken into lines."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(text, width)) or " "


def excerpt(text: str, most: int = 110) -> str:
    """The beginning of a text for a hover box that shows several: escaped, broken into lines.

    Args:
        text: any text.
        most: characters that are shown.
    """
    return wrapped(textwrap.shorten(text, most, placeholder=" …"))


def trait_label(trait: str, width: int = 18) -> str:
    """A trait's name for an axis: words, broken into lines."""
    return "<br>".join(textwrap.wrap(trait.replace("_", " "), width))


def short(r: float) -> str:
    """A correlation for a small cell: sign and two digits, no leading zero."""
    return f"{r:+.2f}".replace("0.", ".", 1)

"""The template of a report: what it may print as it is, and what it must escape.

Every value is escaped where it is printed, unless it is marked here as made safe already.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from backend.exports.report.plotly_json import figure_height, figure_json, plotly_script
from backend.views.shared.blocks import Block, Chart, Table, Text

_HERE = Path(__file__).parent

# Characters: a cell with more is wide; a word with more, such as a hash, may break every so often.
_LONG, _WORD, _BREAK = 60, 30, 16


@cache
def report_template() -> Template:
    """The whole page, to be generated piece by piece."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests |= {"text": _is_text, "chart": _is_chart, "table": _is_table, "long": _long}
    environment.filters |= {
        "breakable": _breakable,
        "figure_height": figure_height,
        "figure_json": _figure_json,
    }
    # Functions, so that the library's megabytes are let go of once they are written.
    environment.globals |= {"file": _file, "library": _library}
    return environment.get_template("report.html")


def _file(name: str) -> Markup:
    # Markup: a style or script element is not read as HTML, so escaping would change it. Nothing
    # of a study gets into these files of ours, nor into plotly's below.
    return Markup((_HERE / name).read_text("utf-8"))


def _library() -> Markup:
    return Markup(plotly_script())


def _is_text(block: Block) -> bool:
    return isinstance(block, Text)


def _is_chart(block: Block) -> bool:
    return isinstance(block, Chart)


def _is_table(block: Block) -> bool:
    return isinstance(block, Table)


def _figure_json(figure: go.Figure) -> Markup:
    # Markup: figure_json has made it safe inside a script element, where entities would not be
    # read back and the JSON would be broken.
    return Markup(figure_json(figure))


def _long(value: object) -> bool:
    """Whether a cell with this value needs room."""
    return len(str(value)) > _LONG


def _breakable(value: object) -> Markup:
    """A cell's text, escaped; a word too long for a cell may break."""
    return Markup(" ").join(
        word
        if len(word) <= _WORD
        # A Markup's join escapes the pieces, and not what is between them.
        else Markup("<wbr>").join(word[at : at + _BREAK] for at in range(0, len(word), _BREAK))
        for word in str(value).split(" ")
    )

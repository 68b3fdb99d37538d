"""What a section of a report is made of; how it looks is for the page to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from backend.runs.results import Results
from backend.views.shared.view import View


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text. Attributes: text, and kind: the main thing, or an aside."""

    text: str
    kind: Literal["plain", "strong", "note"] = "plain"


@dataclass(frozen=True)
class Chart:
    """A figure with the sentence on what to see in it.

    Attributes:
        title: heading above it.
        see: one sentence.
        figure: to draw.
    """

    title: str
    see: str
    figure: go.Figure


@dataclass(frozen=True)
class Table:
    """Rows as the pages show them.

    Attributes:
        title: heading above it.
        see: one sentence; may be empty.
        rows: column -> value, the same columns in every row; an undefined value is a text with
            its reason, never None.
    """

    title: str
    see: str
    rows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Fold:
    """Blocks under a heading that can be closed. Attributes: title, blocks and whether open."""

    title: str
    blocks: Sequence[Block]
    open: bool = False


Block = Text | Chart | Table | Fold


@dataclass(frozen=True)
class Section:
    """One registered section.

    Attributes:
        name: key, as on the command line and in the address.
        title: heading.
        page: path of the page that shows the same; empty for the first page.
        build: results of the store and the view -> blocks.
        cell_bytes: about how much each shown run and trait adds to the file, as measured on
            studies with 40 prompts a trait.
    """

    name: str
    title: str
    page: str
    build: Callable[[Results, View], Sequence[Block]]
    cell_bytes: int

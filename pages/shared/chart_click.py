"""Which point of a scatter or cell of a heatmap was clicked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

_SCRIPT = Path(__file__).with_name("chart_click.js").read_text("utf-8")
_LISTEN = st.components.v2.component("chart_click", js=_SCRIPT)


@dataclass(frozen=True)
class Click:
    """What was clicked.

    Attributes:
        id: of the point, where its trace has ids.
        place: number of the point in its trace, or row and column of the cell.
    """

    id: str | None
    place: tuple[int, ...]


def on_click(chart: str, action: Callable[[Click], None]) -> None:
    """Call an action for every click on a chart, before the rerun that the click starts.

    Args:
        chart: key of the chart on the page.
        action: gets the click.
    """
    key = f"{chart}_click"

    def take() -> None:
        value = st.session_state[key]["picked"]
        if value is not None:
            action(Click(value["id"], tuple(value["place"])))

    _LISTEN(key=key, data={"chart": chart}, on_picked_change=take)

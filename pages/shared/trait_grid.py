"""The scorecard's cells on the page, each a button."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from backend.views.scorecard.grid import Grid

_HERE = Path(__file__)
_GRID = st.components.v2.component(
    "trait_grid",
    html='<div class="grid"></div>',
    css=_HERE.with_suffix(".css").read_text("utf-8"),
    js=_HERE.with_suffix(".js").read_text("utf-8"),
)


def trait_grid(grid: Grid, key: str, on_open: Callable[[str, str], None]) -> None:
    """Draw the cells.

    Args:
        grid: what they say.
        key: unique on the page.
        on_open: called with run and trait of a cell that was pressed, before the rerun.
    """

    def pressed() -> None:
        run_id, trait = st.session_state[key].cell
        on_open(run_id, trait)

    _GRID(key=key, data=dataclasses.asdict(grid), on_cell_change=pressed)

"""Blocks for every shown run, or run and trait: bare for one, folded away for several."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backend.errors import SteerscopeError
from backend.store.catalog import run_names
from backend.store.run_values import RunSummary
from backend.views.shared.blocks import Block, Fold, Text
from backend.views.shared.view import View

RunBlocks = Callable[[RunSummary], Sequence[Block]]
CellBlocks = Callable[[RunSummary, str], tuple[str, Sequence[Block]]]


def per_cell(view: View, page: str, build: CellBlocks) -> Sequence[Block]:
    """One block of blocks a cell.

    Args:
        view: which runs and traits.
        page: path of the page that shows one cell.
        build: run and trait -> a line about the cell, and its blocks. A fault it raises is shown
            in the place of its blocks.
    """
    cells = [
        (run, name, trait)
        for run, name in zip(view.shown, run_names(view.shown), strict=True)
        for trait in view.traits
    ]
    blocks: list[Block] = []
    for run, name, trait in cells:
        title = f"{trait.replace('_', ' ')} on {name}"
        try:
            line, own = build(run, trait)
        except SteerscopeError as fault:
            blocks.append(Text(f"{title}: {fault.what} {fault.remedy}"))
            continue
        if len(cells) == 1:
            blocks += [Text(title, "strong"), *own]
        else:
            address = Text(f"In the dashboard: /{page}?{view.query(run, trait)}", "note")
            blocks.append(Fold(f"{title}: {line}" if line else title, [*own, address]))
    return blocks


def per_run(view: View, build: RunBlocks) -> Sequence[Block]:
    """One block of blocks a shown run; arguments as for :func:`per_cell`."""
    blocks: list[Block] = []
    for run, name in zip(view.shown, run_names(view.shown), strict=True):
        try:
            own = build(run)
        except SteerscopeError as fault:
            own = (Text(f"{name}: {fault.what} {fault.remedy}"),)
        if len(view.shown) == 1:
            blocks += own
        else:
            blocks.append(Fold(f"All traits on {name}", own))
    return blocks

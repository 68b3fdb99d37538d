"""The stored inner products of a study's cells, stacked for the lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Bools, Floats
from backend.core.moments import Moments
from backend.core.vectors.cell_stack import CellStack, stack
from backend.core.vectors.inner_product import IDENTITY
from backend.settings import Settings
from backend.store.connection import Connection, matrix_of

Key = tuple[str, str, int]


@dataclass(frozen=True)
class LabCell:
    """One cell's inner products under one metric.

    Attributes:
        trait: the trait.
        layer: the layer.
        prompt_ids: its prompts, in the order of the study, [n].
        gram: G = PMP', [n, n].
        high: True for the high pole, [n].
        moments: S, b and y'y.
    """

    trait: str
    layer: int
    prompt_ids: tuple[int, ...]
    gram: Floats
    high: Bools
    moments: Moments


@dataclass(frozen=True)
class LabStack:
    """All cells of some runs under one metric.

    Attributes:
        keys: (run id, trait, layer) of each cell, in the order of the stack.
        prompt_ids: the prompts of each cell, in the order of its columns.
        cells: their inner products; arrays are read-only.
        missing: cells without this metric -> why.
    """

    keys: tuple[Key, ...]
    prompt_ids: tuple[tuple[int, ...], ...]
    cells: CellStack
    missing: dict[Key, str]


def lab_stack(settings: Settings, run_ids: Sequence[str], prompt_set: str, metric: str) -> LabStack:
    """All cells of some runs of one study.

    Args:
        settings: where the store is.
        run_ids: the runs.
        prompt_set: which prompts the vectors are built from.
        metric: name of the inner product (see backend.core.vectors.inner_product).

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    keys: list[Key] = []
    found: list[LabCell] = []
    widths: list[int] = []
    missing: dict[Key, str] = {}
    for run_id in run_ids:
        with reading_run(settings, run_id) as connection:
            record = read_record(connection, run_id)
            traits = [
                row[0]
                for row in connection.execute(
                    "SELECT trait FROM traits WHERE trait IN (SELECT trait FROM prompts"
                    " WHERE prompt_set = ?) ORDER BY position",
                    [prompt_set],
                ).fetchall()
            ]
            cells = [
                cell
                for trait in traits
                for cell in read_cells(connection, metric, trait, prompt_set)
            ]
        own = {(run_id, cell.trait, cell.layer) for cell in cells}
        for trait in traits:
            for layer in record.layers:
                if (run_id, trait, layer) not in own:
                    missing[run_id, trait, layer] = no_metric(metric, layer)
        keys += [(run_id, cell.trait, cell.layer) for cell in cells]
        found += cells
        widths += [record.width] * len(cells)
    stacked = stack(
        [cell.gram for cell in found],
        [cell.high for cell in found],
        [cell.moments for cell in found],
        np.array(widths, np.float64),
    )
    for name in ("gram", "high", "low", "s", "b", "y_square", "count", "rounding", "width"):
        getattr(stacked, name).setflags(write=False)
    return LabStack(tuple(keys), tuple(cell.prompt_ids for cell in found), stacked, missing)


def metric_titles(settings: Settings, run_ids: Sequence[str]) -> dict[str, str]:
    """Metrics that any of some runs has -> title, the identity first.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    titles: dict[str, str] = {}
    for run_id in run_ids:
        with reading_run(settings, run_id) as connection:
            rows = connection.execute(
                "SELECT metric, min(title) FROM inner_products GROUP BY metric ORDER BY metric"
            ).fetchall()
        titles |= {name: title for name, title in rows if name not in titles}
    first = {name: titles[name] for name in (IDENTITY,) if name in titles}
    return first | titles


def prompt_texts(settings: Settings, run_id: str, trait: str, prompt_set: str) -> dict[int, str]:
    """Prompt id -> text of the prompts of one trait and set.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        rows = connection.execute(
            "SELECT prompt_id, text FROM prompts WHERE trait = ? AND prompt_set = ?",
            [trait, prompt_set],
        ).fetchall()
    return dict(rows)


def metric_note(settings: Settings, place: Key, metric: str) -> str:
    """What a metric did at one cell, such as which coordinates are massive; empty without it.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    run_id, trait, layer = place
    with reading_run(settings, run_id) as connection:
        rows = connection.execute(
            "SELECT note FROM inner_products WHERE metric = ? AND layer = ?"
            " AND (trait IS NULL OR trait = ?)",
            [metric, layer, trait],
        ).fetchall()
    return str(rows[0][0]) if rows else ""


def no_metric(metric: str, layer: int) -> str:
    """Why a cell has no inner products under a metric."""
    return (
        f"layer {layer} has no metric {metric.replace('_', ' ')}: it needs at least 10 responses, "
        "or prompts that differ"
    )


def read_cells(
    connection: Connection, metric: str, trait: str, prompt_set: str, layer: int | None = None
) -> list[LabCell]:
    """The cells of one trait of an open run, by layer; none where the metric is missing.

    Args:
        connection: the run.
        metric: name of the inner product.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: only this layer; None for all.
    """
    prompts = connection.execute(
        "SELECT prompt_id, prompt_set = ?, pole = 'high' FROM prompts WHERE trait = ?"
        " ORDER BY prompt_id",
        [prompt_set, trait],
    ).fetchall()
    count = len(prompts)
    members = np.flatnonzero([own for _, own, _ in prompts])
    if not len(members):
        return []
    key: list[object] = [metric, trait, layer, layer]
    where = "WHERE metric = ? AND trait = ? AND (?::INTEGER IS NULL OR layer = ?)"
    totals = connection.execute(
        f"SELECT layer, cases, y_square, rounding FROM moment_totals {where} ORDER BY layer", key
    ).fetchall()
    order = "ORDER BY layer, prompt_id"
    grams = matrix_of(connection, f"SELECT products FROM gram {where} {order}", key)
    squares = matrix_of(connection, f"SELECT s FROM moments {where} {order}", key)
    b = matrix_of(connection, f"SELECT [b] FROM moments {where} {order}", key)
    high = np.array([is_high for _, _, is_high in prompts])[members]
    ids = tuple(prompts[i][0] for i in members)
    chosen = np.ix_(members, members)
    cells = []
    for place, (at, cases, y_square, rounding) in enumerate(totals):
        rows = slice(place * count, (place + 1) * count)
        moments = Moments(
            squares[rows].astype(np.float64)[chosen],
            b[rows, 0].astype(np.float64)[members],
            y_square,
            cases,
            rounding,
        )
        gram = grams[rows].astype(np.float64)[chosen]
        cells.append(LabCell(trait, at, ids, gram, high, moments))
    return cells

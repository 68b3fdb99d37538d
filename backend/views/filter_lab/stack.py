"""The stored inner products of a study's cells, stacked for the lab."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.core.vectors.cell_stack import CellStack, stack, take
from backend.core.vectors.inner_product import IDENTITY, missing_inner_product
from backend.core.vectors.lab import LabResult, Steps, evaluate, threshold_steps
from backend.core.vectors.pipeline import FilterReference, Pipeline, RowScaling
from backend.store.run import Run
from backend.store.run_values import CellProducts
from backend.views.filter_lab.axis import KEEP_ALL, CosineRange, cosine_range

# Run id, trait and layer of a cell.
RunCell = tuple[str, str, int]
# Settings whose steps are kept.
FEW = 4


@dataclass(frozen=True, eq=False)
class LabStack:
    """All cells of some runs under one inner product, with all that does not move with the slider.

    Attributes:
        keys: (run id, trait, layer) of each cell, in the order of the stack.
        prompt_ids: the prompts of each cell, in the order of its columns.
        cells: their inner products; arrays are read-only.
        missing: cells without this inner product -> why.
        titles: inner products that any of the runs has -> title, the identity first.
    """

    keys: tuple[RunCell, ...]
    prompt_ids: tuple[tuple[int, ...], ...]
    cells: CellStack
    missing: dict[RunCell, str]
    titles: dict[str, str]
    # At most one for each way to scale rows and to choose a reference.
    _ranges: dict[tuple[RowScaling, FilterReference], CosineRange] = field(
        default_factory=dict, init=False, repr=False
    )

    # Of the last few settings: the weights of a thousand thresholds are megabytes.
    _steps: dict[tuple[RunCell, Pipeline], Steps] = field(
        default_factory=dict, init=False, repr=False
    )
    # Cells are opened one at a time.
    _measured: dict[int, dict[str, float]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def groups(self) -> dict[tuple[str, str], NDArray[np.intp]]:
        """(run id, trait) -> positions of its cells, by layer."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, (run_id, trait, _) in enumerate(self.keys):
            places.setdefault((run_id, trait), []).append(place)
        return {key: np.array(own, np.intp) for key, own in places.items()}

    @cached_property
    def mean_difference(self) -> LabResult:
        """r of the cells without any choice, without metrics; under the identity as published."""
        return evaluate(Pipeline(), self.cells, np.zeros(0, np.intp))

    def published_metrics(self, place: int) -> dict[str, float]:
        """Live metrics of one cell without any choice, NaN where undefined.

        Args:
            place: of the cell in the stack.
        """
        if place not in self._measured:
            found = evaluate(Pipeline(), take(self.cells, np.array([place], np.intp))).metrics
            self._measured[place] = {name: float(values[0]) for name, values in found.items()}
        return self._measured[place]

    def cosine_range(self, pipeline: Pipeline) -> CosineRange:
        """Cosines of all prompts to the filter's reference, and the axis a threshold can move on.

        Args:
            pipeline: under the stack's inner product; its threshold does not matter.
        """
        key = (pipeline.row_scaling, pipeline.filter_reference)
        if key not in self._ranges:
            self._ranges[key] = cosine_range(self.cells, pipeline)
        return self._ranges[key]

    def steps(self, key: RunCell, pipeline: Pipeline) -> Steps | None:
        """r of one cell along the whole threshold axis; None without a filter, or where the cell
        lacks the inner product.

        Args:
            key: of the cell.
            pipeline: under the stack's inner product; its threshold does not matter.
        """
        if pipeline.filter_reference == "none" or key not in self.keys:
            return None
        wanted = (key, dataclasses.replace(pipeline, threshold=KEEP_ALL))
        if (found := self._steps.get(wanted)) is not None:
            return found
        own = take(self.cells, np.array([self.keys.index(key)], np.intp))
        if len(self._steps) >= FEW:
            self._steps.clear()
        self._steps[wanted] = threshold_steps(pipeline, own)
        return self._steps[wanted]


def lab_stack(runs: Sequence[Run], prompt_set: str, metric: str) -> LabStack:
    """All cells of some runs of one study.

    Args:
        runs: open runs.
        prompt_set: which prompts the vectors are built from.
        metric: name of the inner product (see backend.core.vectors.inner_product).
    """
    keys: list[RunCell] = []
    found: list[CellProducts] = []
    widths: list[int] = []
    missing: dict[RunCell, str] = {}
    for run in runs:
        record = run.record
        for trait in run.traits_of_set(prompt_set):
            cells = run.cell_products(metric, trait, prompt_set)
            keys += [(record.run_id, trait, cell.layer) for cell in cells]
            found += cells
            widths += [record.width] * len(cells)
            there = {cell.layer for cell in cells}
            missing |= {
                (record.run_id, trait, layer): missing_inner_product(metric, layer)
                for layer in record.layers
                if layer not in there
            }
    stacked = stack(
        [cell.gram for cell in found],
        [cell.high for cell in found],
        [cell.moments for cell in found],
        np.array(widths, np.float64),
        [cell.pairs for cell in found],
    )
    for value in vars(stacked).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    ids = tuple(cell.prompt_ids for cell in found)
    return LabStack(tuple(keys), ids, stacked, missing, inner_product_titles(runs))


def inner_product_titles(runs: Sequence[Run]) -> dict[str, str]:
    """Inner products that any of some runs has -> title, the identity first."""
    titles: dict[str, str] = {}
    for run in runs:
        titles |= run.inner_product_titles() | titles
    first = {name: titles[name] for name in (IDENTITY,) if name in titles}
    return first | titles

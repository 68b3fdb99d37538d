"""What a pipeline would do to every cell of a study, beside what was published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats
from backend.core.estimate import EFFECTIVE_Z, FISHER_Z, Estimate
from backend.core.metrics.registry import in_lab
from backend.core.prompt_cells import cosine_matrix
from backend.core.statistics.clustered import LEAST_GROUPS, too_few_groups
from backend.core.status import STATUSES, Status, status_of
from backend.core.vectors.cell_stack import CellStack
from backend.core.vectors.lab import LabResult, evaluate
from backend.core.vectors.pipeline import Pipeline
from backend.settings import StatusThresholds
from backend.store.run import Run
from backend.types import Pole
from backend.views.filter_lab.axis import effective
from backend.views.filter_lab.stack import LabStack, RunCell
from backend.views.shared.cosine_blocks import CosineBlocks, cosine_blocks

StatusMove = Literal["gained", "lost"]


@dataclass(frozen=True)
class LabPrompt:
    """One prompt of the chosen cell.

    Attributes:
        prompt_id: its number in the study.
        pole: high or low.
        cosine: to the filter's reference; None where it has no direction.
        kept: whether it passes the filter.
    """

    prompt_id: int
    pole: Pole
    cosine: float | None
    kept: bool


@dataclass(frozen=True)
class LayerChange:
    """r of the chosen run and trait at one layer. Attributes: layer, before and after."""

    layer: int
    before: Estimate
    after: Estimate


@dataclass(frozen=True)
class CardChange:
    """One trait of one run on the scorecard.

    Attributes:
        before_layer: layer shown as published; None if r is undefined at every layer.
        after_layer: layer shown under the pipeline.
        before: r there.
        after: r there.
        before_status: by the thresholds.
        after_status: likewise.
    """

    before_layer: int | None
    after_layer: int | None
    before: Estimate
    after: Estimate
    before_status: Status
    after_status: Status

    @property
    def move(self) -> StatusMove | None:
        """Whether the status went up or down."""
        steps = STATUSES.index(self.before_status) - STATUSES.index(self.after_status)
        return None if steps == 0 else "gained" if steps > 0 else "lost"


@dataclass(frozen=True)
class LabView:
    """Everything the lab shows of one setting.

    Attributes:
        pipeline: the setting.
        place: the chosen (run id, trait, layer).
        before: r of the chosen cell as published.
        after: r of it under the pipeline; undefined with the reason where it is refused.
        refusal: why the pipeline makes no vector of the chosen cell; None if it makes one.
        metrics: live metric -> value as published and under the pipeline, None where undefined.
        prompts: the chosen cell's prompts, each pole by falling cosine.
        cosines: between them under the pipeline's metric, in that order, by blocks if many.
        layers: r by layer of the chosen run and trait.
        card: (run id, trait) -> change.
    """

    pipeline: Pipeline
    place: RunCell
    before: Estimate
    after: Estimate
    refusal: str | None
    metrics: dict[str, tuple[float | None, float | None]]
    prompts: tuple[LabPrompt, ...]
    cosines: CosineBlocks
    layers: tuple[LayerChange, ...]
    card: dict[tuple[str, str], CardChange]

    def count(self, move: StatusMove) -> int:
        """How many cells of the scorecard went up or down."""
        return sum(change.move == move for change in self.card.values())


def prompt_texts(run: Run, trait: str, prompt_set: str) -> dict[int, str]:
    """Prompt id -> text of the prompts of one trait and set."""
    own = (prompt for prompt in run.prompts(trait) if prompt.prompt_set == prompt_set)
    return {prompt.prompt_id: prompt.text for prompt in own}


def published_layer(base: LabStack, run_id: str, trait: str) -> int | None:
    """The layer with the highest published r; the middle one where r is undefined everywhere, and
    None where the run has no prompts of the trait.

    Args:
        base: the cells under the identity.
        run_id: one of its runs.
        trait: a trait of the study.
    """
    places = base.groups.get((run_id, trait))
    if places is None:
        return None
    best = _best(base.mean_difference.r[places])
    at = int(places[len(places) // 2 if best is None else best])
    return base.keys[at][2]


def lab_view(
    base: LabStack,
    stack: LabStack,
    pipeline: Pipeline,
    place: RunCell,
    layer: int | None,
    thresholds: StatusThresholds,
) -> LabView:
    """Everything the lab shows of one setting.

    Args:
        base: the cells under the identity, as published.
        stack: the same cells under the pipeline's inner product.
        pipeline: the setting.
        place: the chosen cell, one of ``base``.
        layer: of the scorecard; None for every cell's layer with the highest r, chosen anew.
        thresholds: of a status.
    """
    chosen = base.keys.index(place)
    measured = np.flatnonzero([key == place for key in stack.keys])
    now = evaluate(effective(pipeline), stack.cells, measured)
    after = _Aligned(base, stack, now)
    card = {
        key: _card(base, after, places, layer, thresholds)
        for key, places in base.groups.items()
        if layer is None or any(base.keys[i][2] == layer for i in places)
    }
    published = base.published_metrics(chosen)
    metrics = {
        metric.name: (
            _number(published[metric.name]),
            None if after.own[chosen] < 0 else _number(now.metrics[metric.name][after.own[chosen]]),
        )
        for metric in in_lab()
    }
    prompts, matrix = _prompts(base, stack, pipeline, now, chosen, int(after.own[chosen]))
    return LabView(
        pipeline=pipeline,
        place=place,
        before=_before(base, chosen),
        after=after.estimate(chosen),
        refusal=after.refusals.get(chosen),
        metrics=metrics,
        prompts=prompts,
        cosines=matrix,
        layers=tuple(
            LayerChange(base.keys[i][2], _before(base, i), after.estimate(i))
            for i in base.groups[place[:2]]
        ),
        card=card,
    )


class _Aligned:
    """A result in the order of the base: a cell may lack the inner product."""

    def __init__(self, base: LabStack, stack: LabStack, now: LabResult) -> None:
        keys = base.keys
        if stack.keys == keys:
            self.own = np.arange(len(keys))
        else:
            where = {key: i for i, key in enumerate(stack.keys)}
            self.own = np.array([where.get(key, -1) for key in keys], np.intp)
        # A cell that lacks the inner product is at -1, where the appended NaN is.
        self.r, self.low, self.high = (
            np.append(values, np.nan)[self.own] for values in (now.r, now.low, now.high)
        )
        self.refusals = {
            i: now.refusals[own] if own >= 0 else stack.missing[keys[i]]
            for i, own in enumerate(self.own.tolist())
            if own < 0 or own in now.refusals
        }
        self.cells = base.cells

    def estimate(self, i: int) -> Estimate:
        """r of one cell with its interval, or why there is none."""
        reason = self.refusals.get(i)
        worth = Worth.of(self.cells, i)
        return r_estimate(self.r[i], self.low[i], self.high[i], worth, reason)


def _before(base: LabStack, i: int) -> Estimate:
    p = base.mean_difference
    worth = Worth.of(base.cells, i)
    return r_estimate(p.r[i], p.low[i], p.high[i], worth, p.refusals.get(i))


@dataclass(frozen=True)
class Worth:
    """The cases behind r of a cell.

    Attributes:
        n: their number.
        groups: number of groups of dependent ones; None where none are.
        effective: how many independent cases they are worth.
    """

    n: int
    groups: int | None
    effective: float

    @classmethod
    def of(cls, cells: CellStack, i: int) -> Worth:
        """Of one cell of a stack."""
        groups = int(cells.groups[i]) or None
        return cls(int(cells.count[i]), groups, float(cells.effective[i]))

    @classmethod
    def of_estimate(cls, found: Estimate) -> Worth:
        """Of a cell whose r is known."""
        return cls(
            found.n, found.groups, float(found.n if found.effective is None else found.effective)
        )


def r_estimate(r: float, low: float, high: float, worth: Worth, reason: str | None) -> Estimate:
    """r of one cell with Fisher's interval, or why there is none.

    Args:
        r: NaN where undefined.
        low: lower end; NaN where there is no interval.
        high: upper end.
        worth: the cases behind it.
        reason: why the cell has no vector; None if it has one.
    """
    n, groups = worth.n, worth.groups
    if np.isnan(r):
        if n < 3:
            reason = reason or f"r needs at least 3 scored scenarios, and there are {n}"
        return Estimate.undefined(n, reason or "the projections or the scores do not vary")
    if np.isnan(low):
        why = (
            f"an interval needs cases worth at least 4, not {worth.effective:.3g}"
            if groups is None or groups >= LEAST_GROUPS
            else too_few_groups(groups)
        )
        return Estimate(float(r), None, None, None, n, why, groups=groups)
    return Estimate(
        value=float(r),
        low=_number(low),
        high=_number(high),
        p=None,
        n=n,
        interval_method=FISHER_Z if groups is None else EFFECTIVE_Z,
        effective=None if groups is None else worth.effective,
        groups=groups,
    )


def _card(
    base: LabStack,
    after: _Aligned,
    places: NDArray[np.intp],
    layer: int | None,
    thresholds: StatusThresholds,
) -> CardChange:
    keys = base.keys
    if layer is not None:
        places = places[[keys[i][2] == layer for i in places]]
    was, now = _best(base.mean_difference.r[places]), _best(after.r[places])
    before = _before(base, int(places[was or 0]))
    later = after.estimate(int(places[now or 0]))
    return CardChange(
        before_layer=None if was is None else keys[places[was]][2],
        after_layer=None if now is None else keys[places[now]][2],
        before=before,
        after=later,
        before_status=status_of(before.value, thresholds),
        after_status=status_of(later.value, thresholds),
    )


def _best(r: Floats) -> int | None:
    """Place of the highest r, the first of equals; None if all are undefined."""
    return None if np.isnan(r).all() else int(np.nanargmax(r))


def _prompts(
    base: LabStack, stack: LabStack, pipeline: Pipeline, now: LabResult, chosen: int, own: int
) -> tuple[tuple[LabPrompt, ...], CosineBlocks]:
    """The cell's prompts by pole and falling cosine, and the cosines between them."""
    cells, at = (base, chosen) if own < 0 else (stack, own)
    ids = cells.prompt_ids[at]
    n = len(ids)
    high = cells.cells.high[at, :n]
    value = np.full(n, np.nan) if own < 0 else stack.cosine_range(pipeline).values[own, :n]
    kept = np.ones(n, bool) if own < 0 else now.kept[own, :n]
    order = np.lexsort((-np.nan_to_num(value, nan=-2.0), ~high))
    prompts = tuple(
        LabPrompt(ids[i], "high" if high[i] else "low", _number(value[i]), bool(kept[i]))
        for i in order
    )
    gram = cells.cells.gram[at][np.ix_(order, order)]
    return prompts, cosine_blocks(cosine_matrix(gram), [prompt.pole for prompt in prompts])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

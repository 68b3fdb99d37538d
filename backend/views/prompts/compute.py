"""The prompts of one cell: their texts, norms, cosines and influence on the vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.prompt_cells import cosine_matrix
from backend.core.vectors.inner_product import IDENTITY
from backend.errors import StoreError
from backend.store.run import NOT_COMPUTED, Run
from backend.store.run_values import CellResult, PromptRow
from backend.types import Message, Pole
from backend.views.prompts.without import r_without_each

# Prompts of a pole up to which neighbouring leaves of the clustering are turned to be alike.
_ORDERED = 300


@dataclass(frozen=True)
class PromptResult(PromptRow):
    """One prompt of the cell, among the others.

    Attributes:
        influence: degrees by which v turns without it, [0, 180]; undefined where the run does not
            have it, or where it is the only prompt of its pole.
        to_own_pole: mean cosine to the other prompts of its pole, [-1, 1]; undefined where there
            is no other, or an activation is zero.
        without: r of the cell without it; undefined where its pole would have too few left.
    """

    influence: Estimate
    to_own_pole: Estimate
    without: Estimate


@dataclass(frozen=True)
class NeighbourPrompt:
    """A prompt beside another. Attributes: row, and cosine of the two activations, [-1, 1]."""

    row: PromptResult
    cosine: float


@dataclass(frozen=True)
class PromptView:
    """The prompts of one cell in one order.

    Attributes:
        rows: the prompts, high pole first.
        cosines: [n, n] in that order, NaN for a zero activation.
        cell: metrics and r of the cell.
        chats: prompt id -> the chat before it; only of prompts that have one.
    """

    rows: tuple[PromptResult, ...]
    cosines: Floats
    cell: CellResult
    chats: Mapping[int, tuple[Message, ...]]

    def place(self, prompt_id: int) -> int | None:
        """Where a prompt stands in ``rows``; None if it is of another cell."""
        numbers = [row.prompt_id for row in self.rows]
        return numbers.index(prompt_id) if prompt_id in numbers else None

    def neighbours(self, prompt_id: int, most: int = 5) -> tuple[NeighbourPrompt, ...]:
        """The prompts most like one, of both poles, by falling cosine.

        Args:
            prompt_id: one of the cell's.
            most: how many at most; those whose cosine is undefined are left out.
        """
        own = self.place(prompt_id)
        if own is None:
            return ()
        order = np.argsort(-self.cosines[own], kind="stable")  # NaN last
        near = [i for i in order if i != own and np.isfinite(self.cosines[own, i])][:most]
        return tuple(NeighbourPrompt(self.rows[i], float(self.cosines[own, i])) for i in near)


def prompt_view(
    run: Run, trait: str, prompt_set: str, layer: int, *, clustered: bool
) -> PromptView:
    """The prompts of one cell.

    Args:
        run: an open run.
        trait: a trait of the run.
        prompt_set: which of its prompts.
        layer: a layer of the run.
        clustered: order each pole by average-linkage clustering of the cosines, so that groups
            and outliers show; otherwise as written.

    Raises:
        StoreError: the run has no such cell.
    """
    prompts = [row for row in run.prompt_rows(trait, layer) if row.prompt_set == prompt_set]
    if not prompts:
        raise StoreError(
            f"Run {run.record.run_id} has no prompts of {trait!r}, set {prompt_set!r}, "
            f"at layer {layer}.",
            expected="a trait, prompt set and layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    (cell,) = run.cells(trait, prompt_set, layer)
    cosines = cosine_matrix(run.gram(trait, layer, prompt_set))
    influences = run.influences(trait, layer)
    missing = Estimate.undefined(len(prompts), NOT_COMPUTED)
    products = run.cell_products(IDENTITY, trait, prompt_set, layer)
    without = r_without_each(products[0], run.record.width) if products else {}
    poles = [row.pole for row in prompts]
    rows = [
        PromptResult(
            **dataclasses.asdict(row),
            influence=influences.get(row.prompt_id, missing),
            to_own_pole=own,
            without=without.get(row.prompt_id, missing),
        )
        for row, own in zip(prompts, _to_own_pole(cosines, poles), strict=True)
    ]
    order = _order(cosines, poles, clustered)
    chats = {prompt.prompt_id: prompt.messages for prompt in run.prompts(trait) if prompt.messages}
    return PromptView(tuple(rows[i] for i in order), cosines[np.ix_(order, order)], cell, chats)


def _to_own_pole(cosines: Floats, poles: Sequence[Pole]) -> list[Estimate]:
    """Mean cosine of every prompt to the others of its pole."""
    same = np.array(poles)[:, None] == np.array(poles)
    np.fill_diagonal(same, False)
    counts = same.sum(axis=1)
    sums = np.where(same, cosines, 0.0).sum(axis=1)  # NaN where one of the pole is undefined
    reason = "it needs another prompt of its pole, and no zero activation"
    return [
        Estimate.undefined(int(count), reason)
        if not count or np.isnan(total)
        else Estimate.exact(float(total / count), int(count))
        for total, count in zip(sums, counts, strict=True)
    ]


def _order(cosines: Floats, poles: Sequence[Pole], clustered: bool) -> list[int]:
    order: list[int] = []
    for pole in ("high", "low"):
        members = [i for i, found in enumerate(poles) if found == pole]
        distances = np.clip(1.0 - cosines[np.ix_(members, members)], 0.0, None)
        if clustered and len(members) > 2 and np.isfinite(distances).all():
            np.fill_diagonal(distances, 0.0)
            # Which branch comes first is seen in a heatmap of few prompts, and of many it is slow.
            flip = len(members) <= _ORDERED
            tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=flip)
            members = [members[leaf] for leaf in leaves_list(tree)]
        order += members
    return order

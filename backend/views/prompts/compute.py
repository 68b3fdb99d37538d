"""The prompts of one cell: their texts, norms, cosines and influence on the vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from backend.core.cases import Floats
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import cosine_matrix
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.connection import matrix_of
from backend.types import Pole


@dataclass(frozen=True)
class PromptRow:
    """One prompt of the cell.

    Attributes:
        prompt_id: its number in the study.
        pole: high or low.
        text: the prompt.
        tokens: how many tokens were pooled.
        norm: ||x_i||, activation units.
        influence: degrees by which v turns without it.
        to_own_pole: mean cosine to the other prompts of its pole.
    """

    prompt_id: int
    pole: Pole
    text: str
    tokens: int
    norm: float
    influence: Measure
    to_own_pole: Measure


@dataclass(frozen=True)
class PromptView:
    """The prompts of one cell in one order.

    Attributes:
        rows: the prompts, high pole first.
        cosines: [n, n] in that order, NaN for a zero activation.
    """

    rows: tuple[PromptRow, ...]
    cosines: Floats


def prompt_view(
    settings: Settings, run_id: str, trait: str, prompt_set: str, layer: int, *, clustered: bool
) -> PromptView:
    """The prompts of one cell.

    Args:
        settings: where the store is.
        run_id: a published run.
        trait: a trait of the run.
        prompt_set: which of its prompts.
        layer: a layer of the run.
        clustered: order each pole by average-linkage clustering of the cosines, so that groups
            and outliers show; otherwise as written.

    Raises:
        StoreError: the run has no such cell.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        rows = connection.execute(
            "SELECT p.prompt_id, p.pole, p.text, a.tokens, a.norm, i.degrees, i.reason,"
            " row_number() OVER (ORDER BY p.prompt_id) - 1, p.prompt_set"
            " FROM prompts p JOIN prompt_activations a ON a.prompt_id = p.prompt_id"
            " AND a.layer = ? LEFT JOIN influences i ON i.prompt_id = p.prompt_id"
            " AND i.layer = a.layer WHERE p.trait = ? ORDER BY p.prompt_id",
            [layer, trait],
        ).fetchall()
        gram = matrix_of(
            connection,
            "SELECT products FROM gram WHERE metric = 'identity' AND trait = ? AND layer = ?"
            " ORDER BY prompt_id",
            [trait, layer],
        )
    members = [row for row in rows if row[8] == prompt_set]
    if not members:
        raise StoreError(
            f"Run {run_id} has no prompts of {trait!r}, set {prompt_set!r}, at layer {layer}.",
            expected="a trait, prompt set and layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    positions = [row[7] for row in members]
    cosines = cosine_matrix(gram[np.ix_(positions, positions)].astype(np.float64))
    own = [_to_own_pole(cosines, members, i) for i in range(len(members))]
    order = _order(cosines, [row[1] for row in members], clustered)
    return PromptView(
        rows=tuple(
            PromptRow(
                prompt_id=members[i][0],
                pole=members[i][1],
                text=members[i][2],
                tokens=members[i][3],
                norm=members[i][4],
                influence=Measure(members[i][5], members[i][6]),
                to_own_pole=own[i],
            )
            for i in order
        ),
        cosines=cosines[np.ix_(order, order)],
    )


def _to_own_pole(cosines: Floats, members: list[tuple[object, ...]], i: int) -> Measure:
    others = [j for j, row in enumerate(members) if row[1] == members[i][1] and j != i]
    values = cosines[i, others]
    if not others or np.isnan(values).any():
        return Measure.undefined("it needs another prompt of its pole, and no zero activation")
    return Measure(float(values.mean()))


def _order(cosines: Floats, poles: list[Pole], clustered: bool) -> list[int]:
    order: list[int] = []
    for pole in ("high", "low"):
        members = [i for i, found in enumerate(poles) if found == pole]
        distances = np.clip(1.0 - cosines[np.ix_(members, members)], 0.0, None)
        if clustered and len(members) > 2 and np.isfinite(distances).all():
            np.fill_diagonal(distances, 0.0)
            tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
            members = [members[leaf] for leaf in leaves_list(tree)]
        order += members
    return order

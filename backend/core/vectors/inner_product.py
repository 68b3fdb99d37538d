"""Inner products under which prompts and responses are compared: x'My with a fixed M.

With one of these M the vector is M(mu_H - mu_L), its projections are x'M(mu_H - mu_L), and every
formula of the lab holds with G = PMP' and A = RMP'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats
from backend.core.vectors.responses import ResponseSpace

# A coordinate is massive if its root mean square over responses exceeds this many times the
# median coordinate's. In SmolLM2's middle layers two coordinates reach 60 to 115 times and hold
# 80% of the squared norm; a Gaussian coordinate stays within a few times.
MASSIVE = 20.0
# Numbers of top response components that are removed.
REMOVED = (1, 3)
LARGEST_REMOVED = max(REMOVED)
IDENTITY = "identity"
LDA = "lda"


@dataclass(frozen=True)
class InnerProduct:
    """M = diag(scale) - removed' removed, one layer.

    Attributes:
        name: key in tables and in pipelines.
        title: name on screen.
        scale: [d]; 1 leaves a coordinate as it is, 0 removes it.
        removed: orthonormal directions taken out, [k, d].
        note: what it found, such as which coordinates are massive.
    """

    name: str
    title: str
    scale: Floats
    removed: Floats
    note: str

    @property
    def keeps_or_drops(self) -> bool:
        """Whether every coordinate is left as it is or removed."""
        return bool(((self.scale == 1) | (self.scale == 0)).all())

    def apply(self, rows: Floats) -> Floats:
        """Rows times M, [n, d]."""
        found: Floats = rows * self.scale - (rows @ self.removed.T) @ self.removed
        return found

    def gram(self, rows: Floats) -> Floats:
        """Inner products of rows under M, [n, n]. Args: rows, [n, d]."""
        along = rows @ self.removed.T
        scaled = rows if (self.scale == 1).all() else rows * self.scale
        found: Floats = scaled @ rows.T - along @ along.T
        return found


def layer_inner_products(space: ResponseSpace, prompts: Floats) -> tuple[InnerProduct, ...]:
    """The metrics of one layer that do not depend on the trait.

    ``standardised`` and ``response_pcs_removed_k`` need at least 10 responses and are left out
    below that. Massive coordinates are found on the responses, or on the prompts where there are
    none. Source: massive coordinates, Sun et al. 2024 (arXiv 2402.17762); removing top principal
    components, Mu and Viswanath 2018 (arXiv 1702.01417).

    Args:
        space: the responses' moments.
        prompts: P, [n, d]; used where there are no responses.
    """
    width = len(space.mean)
    none, ones = np.zeros((0, width)), np.ones(width)
    rms = space.rms if space.count else np.sqrt(np.square(prompts).mean(axis=0))
    massive = rms > MASSIVE * np.median(rms)
    named = ", ".join(str(j) for j in np.flatnonzero(massive)) or "none"
    found = [
        InnerProduct(IDENTITY, "identity", ones, none, "the model's own coordinates"),
        InnerProduct(
            "massive_removed",
            "massive coordinates removed",
            (~massive).astype(np.float64),
            none,
            f"coordinates removed: {named}",
        ),
    ]
    if space.count < 10:
        return tuple(found)
    floor = 1e-12 * float(space.variance.max(initial=0.0))
    scale = np.where(space.variance > floor, 1 / np.maximum(space.variance, floor or 1.0), 0.0)
    found.append(
        InnerProduct(
            "standardised",
            "standardised by responses",
            scale,
            none,
            "each coordinate divided by its variance over responses",
        )
    )
    total = float(space.variance.sum())
    for k in REMOVED:
        if len(space.components) > k:
            share = float(space.sizes[:k].sum()) / total
            found.append(
                InnerProduct(
                    f"response_pcs_removed_{k}",
                    f"top {k} response components removed",
                    ones,
                    space.components[:k],
                    f"they hold {share:.1%} of the responses' variance",
                )
            )
    return tuple(found)


def direction(
    name: str,
    metrics: Sequence[InnerProduct],
    within: WithinClass | None,
    rows: Floats,
    weights: Floats,
) -> Floats:
    """v = M P'w in activation space, [d].

    Args:
        name: the metric.
        metrics: those of the layer (:func:`layer_inner_products`).
        within: the trait's within-class metric; needed for ``lda`` alone.
        rows: P, the trait's prompts, [n, d].
        weights: w, [n].

    Raises:
        ValueError: the layer has no such metric.
    """
    if name == LDA:
        if within is None:
            raise ValueError("these prompts have no within-class metric")
        lda: Floats = rows.T @ (within.transform @ weights)
        return lda
    for metric in metrics:
        if metric.name == name:
            found: Floats = metric.apply((rows.T @ weights)[None, :])[0]
            return found
    raise ValueError(f"the layer has no metric {name}")


@dataclass(frozen=True)
class WithinClass:
    """The shrunk within-class covariance of some prompts, inverted on their span.

    With it M P'w = P'(Tw), so G = (PP')T and A = (RP')T.

    Attributes:
        transform: T, [n, n].
        shrinkage: weight of the identity, [0, 1].
    """

    transform: Floats
    shrinkage: float


def pole_groups(sets: Iterable[tuple[NDArray[np.intp], Bools]], count: int) -> list[Floats]:
    """Masks of the prompts of a trait that share a pole and a prompt set, [n] each.

    Args:
        sets: per prompt set, positions of its prompts and which of them are of the high pole.
        count: n, the trait's prompts in all sets.
    """
    groups = []
    for members, high in sets:
        for pole in (high, ~high):
            group = np.zeros(count)
            group[members[pole]] = 1.0
            groups.append(group)
    return groups


def within_class(gram: Floats, groups: list[Floats], width: int) -> WithinClass | None:
    """M = inverse of the Ledoit-Wolf shrunk within-class covariance (LDA), from G alone.

    The covariance of n prompts in d > n coordinates is singular; shrinking it towards a multiple
    of the identity makes it invertible, and the inverse acts on the prompts' span through G
    (Woodbury). Source: Ledoit and Wolf 2004, J. Multivariate Analysis 88: 365-411.

    Args:
        gram: G = PP', [n, n].
        groups: masks of the prompts that share a pole and a prompt set, [n] each; the mean of
            each group is taken away.
        width: d.

    Returns:
        None if the prompts of every group are the same.
    """
    n = len(gram)
    centring = np.zeros((n, n))
    for group in groups:
        mask = group.astype(np.float64)
        centring += np.diag(mask) - np.outer(mask, mask) / mask.sum()
    within = centring @ gram @ centring.T
    trace = float(np.trace(within)) / n
    if trace <= 1e-14 * float(np.trace(gram)) / n:
        return None
    size = trace / width
    square = float(np.square(within).sum()) / n**2
    fourth = float(np.square(np.diag(within)).sum()) / n
    distance = square - trace**2 / width
    error = min((fourth - square) / n, distance)
    shrinkage = float(np.clip(error / distance if distance > 0 else 1.0, 1e-3, 1.0))
    ridge = n * shrinkage * size / (1 - shrinkage) if shrinkage < 1 else np.inf
    if np.isinf(ridge):
        return WithinClass(np.eye(n) / size, 1.0)
    inner = np.linalg.solve(ridge * np.eye(n) + within, centring @ gram)
    return WithinClass((np.eye(n) - centring.T @ inner) / (shrinkage * size), shrinkage)


def missing_inner_product(name: str, layer: int) -> str:
    """Why a cell has no inner products of this name."""
    return (
        f"layer {layer} has no metric {name.replace('_', ' ')}: it needs at least 10 responses, "
        "or prompts that differ"
    )

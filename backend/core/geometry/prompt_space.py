"""The prompts of one (run, trait, layer) as their inner products.

Every vector built from prompts is v = P'w, so lengths, angles and projections of such vectors
are quadratic forms in G = PP'. Working with G (n x n) instead of P (n x d) makes each metric
independent of the model's width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Bools, Floats


@dataclass(frozen=True)
class PromptSpace:
    """Inner products of the prompts of one cell.

    Attributes:
        gram: G, [n, n], float64, activation units squared.
        high: [n], True where the prompt shows the high pole.
        width: d, number of coordinates of an activation.
        vector: v = mu_H - mu_L, [d], float64; only the metrics about single coordinates need it.
    """

    gram: Floats
    high: Bools
    width: int
    vector: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.high)
        if self.gram.shape != (n, n):
            raise ValueError(f"gram has shape {self.gram.shape}, expected ({n}, {n})")
        if not self.high.any() or self.high.all():
            raise ValueError("both poles need at least one prompt")
        if self.vector is not None and self.vector.shape != (self.width,):
            raise ValueError(f"vector has shape {self.vector.shape}, expected ({self.width},)")

    @classmethod
    def from_activations(cls, prompts: NDArray[np.floating], high: Bools) -> PromptSpace:
        """Build G and v in float64 from activations.

        Args:
            prompts: P, [n, d], pooled activations.
            high: [n], True for the high pole.
        """
        rows = np.asarray(prompts, dtype=np.float64)
        mask = np.asarray(high, dtype=bool)
        vector = rows[mask].mean(axis=0) - rows[~mask].mean(axis=0)
        return cls(gram=rows @ rows.T, high=mask, width=rows.shape[1], vector=vector)

    @property
    def weights(self) -> Floats:
        """w with P'w = mu_H - mu_L, [n]."""
        high = self.high
        weights: Floats = np.where(high, 1.0 / high.sum(), -1.0 / (~high).sum())
        return weights

    @property
    def norms(self) -> Floats:
        """||x_i||, [n], activation units."""
        norms: Floats = np.sqrt(np.diag(self.gram))
        return norms

    def pole(self, high: bool) -> Floats:
        """G restricted to one pole, [n_pole, n_pole]."""
        mask = self.high if high else ~self.high
        return self.gram[np.ix_(mask, mask)]


def cosine_matrix(gram: Floats) -> Floats:
    """Cosines between all pairs of rows, [n, n]; scale-free, in [-1, 1].

    A row of norm zero has no direction: its cosines are NaN here and callers must say so.

    Args:
        gram: G = PP', [n, n].
    """
    norms = np.sqrt(np.diag(gram))
    safe = np.where(norms > 0, norms, np.nan)
    cosines = gram / np.outer(safe, safe)
    # Rounding can leave 1 + 1e-16; a cosine is never outside its range.
    clipped: Floats = np.clip(cosines, -1.0, 1.0)
    return clipped

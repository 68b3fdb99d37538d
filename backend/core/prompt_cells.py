"""The prompts of many (run, trait, layer) cells as their inner products.

Every vector built from prompts is v = P'w, so lengths, angles and projections of such vectors
are quadratic forms in G = PP'. Working with G (n x n) instead of P (n x d) makes each metric
independent of the model's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats, Integers, refuse_not_finite
from backend.core.pair_differences import PairDifferences, pair_differences, without_pairs
from backend.core.pole_cells import Gathered, PoleCells, gather


@dataclass(frozen=True)
class PromptCells:
    """Inner products of the prompts of C cells of up to n prompts each.

    Attributes:
        gram: G, [C, n, n], float64, activation units squared; zero in absent prompts' rows.
        high: [C, n], True where the prompt is there and shows the high pole.
        low: [C, n], True where the prompt is there and shows the low pole. A prompt in neither
            pole is absent: padding, or dropped by a filter.
        weights: w with v = P'w, [C, n].
        width: d, number of coordinates of an activation; [C] where cells differ in it.
        vector: v, [C, d], float64; only the metrics about single coordinates need it.
        pairs: number of the pair that each prompt belongs to, -1 for none, [C, n]; None where
            prompts do not come in pairs.
    """

    gram: Floats
    high: Bools
    low: Bools
    weights: Floats
    width: int | Floats
    vector: Floats | None = None
    pairs: Integers | None = None

    def __post_init__(self) -> None:
        cells, n = self.high.shape
        shapes = (
            ("gram", self.gram, (cells, n, n)),
            ("low", self.low, (cells, n)),
            ("weights", self.weights, (cells, n)),
        )
        for name, array, expected in shapes:
            if array.shape != expected:
                raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
        if self.vector is not None and isinstance(self.width, int):
            expected_vector = (cells, self.width)
            if self.vector.shape != expected_vector:
                raise ValueError(
                    f"vector has shape {self.vector.shape}, expected {expected_vector}"
                )

    @classmethod
    def of_gram(
        cls,
        gram: Floats,
        high: Bools,
        width: int,
        vector: Floats | None = None,
        pairs: Integers | None = None,
    ) -> PromptCells:
        """A batch of one cell whose vector is the mean difference.

        Args:
            gram: G, [n, n].
            high: [n], True for the high pole; all others are of the low pole.
            width: d.
            vector: v = mu_H - mu_L, [d]; only the metrics about single coordinates need it.
            pairs: pair of each prompt, -1 for none, [n]; None where there are no pairs.

        Raises:
            ValueError: a pole has no prompts, or shapes do not match.
        """
        mask = np.asarray(high, dtype=bool)
        if not mask.any() or mask.all():
            raise ValueError("both poles need at least one prompt")
        refuse_not_finite(gram=gram)
        return cls(
            gram=np.asarray(gram, dtype=np.float64)[None],
            high=mask[None],
            low=~mask[None],
            weights=mean_difference(mask[None], ~mask[None]),
            width=width,
            vector=None if vector is None else np.asarray(vector, dtype=np.float64)[None],
            pairs=None if pairs is None else pairs[None],
        )

    @classmethod
    def from_activations(
        cls, rows: NDArray[np.floating], high: Bools, pairs: Integers | None = None
    ) -> PromptCells:
        """A batch of one cell, G and v made in float64 from activations.

        Args:
            rows: P, [n, d], pooled activations.
            high: [n], True for the high pole.
            pairs: pair of each prompt, -1 for none, [n]; None where there are no pairs.
        """
        x = np.asarray(rows, dtype=np.float64)
        mask = np.asarray(high, dtype=bool)
        vector = x[mask].mean(axis=0) - x[~mask].mean(axis=0)
        return cls.of_gram(x @ x.T, mask, x.shape[1], vector, pairs)

    def take(self, chosen: NDArray[np.intp]) -> PromptCells:
        """Some of the cells.

        Args:
            chosen: positions of the wanted cells.
        """
        return PromptCells(
            gram=self.gram[chosen],
            high=self.high[chosen],
            low=self.low[chosen],
            weights=self.weights[chosen],
            width=self.width if isinstance(self.width, int) else self.width[chosen],
            vector=None if self.vector is None else self.vector[chosen],
            pairs=None if self.pairs is None else self.pairs[chosen],
        )

    def __len__(self) -> int:
        return len(self.gram)

    @cached_property
    def prompts(self) -> NDArray[np.intp]:
        """Number of prompts, [C]."""
        return self.high_pole.prompts + self.low_pole.prompts

    @cached_property
    def fewest(self) -> NDArray[np.intp]:
        """Number of prompts of the smaller pole, [C]."""
        return np.minimum(self.high_pole.prompts, self.low_pole.prompts)

    @cached_property
    def high_pole(self) -> PoleCells:
        """The high pole's prompts."""
        return self._gathered.pole(high=True)

    @cached_property
    def low_pole(self) -> PoleCells:
        """The low pole's prompts."""
        return self._gathered.pole(high=False)

    def pole(self, high: bool) -> PoleCells:
        """One pole's prompts."""
        return self.high_pole if high else self.low_pole

    @cached_property
    def cross(self) -> Floats:
        """x_i . x_j of every high i and low j, [C, m_high, m_low]; zero where padded."""
        first = self._gathered.first
        return np.ascontiguousarray(self._gathered.gram[:, :first, first:])

    @cached_property
    def high_to_low(self) -> Floats:
        """x_i . (sum of the low prompts) of every high i, [C, m_high]."""
        return np.ascontiguousarray(self._gathered.to_low[:, : self._gathered.first])

    @cached_property
    def low_to_high(self) -> Floats:
        """x_j . (sum of the high prompts) of every low j, [C, m_low]."""
        return np.ascontiguousarray(self._gathered.to_high[:, self._gathered.first :])

    @cached_property
    def separation(self) -> Floats:
        """||v||, [C], activation units, >= 0."""
        separation: Floats = np.sqrt(np.maximum(quadratic_form(self.gram, self.weights), 0.0))
        return separation

    @cached_property
    def mean_separation(self) -> Floats:
        """||mu_H - mu_L||, [C]; the separation where v is the difference of the means."""
        means = mean_difference(self.high, self.low)
        if np.array_equal(means, self.weights):
            return self.separation
        found: Floats = np.sqrt(np.maximum(quadratic_form(self.gram, means), 0.0))
        return found

    @cached_property
    def mean_trace(self) -> Floats:
        """Mean of the two poles' traces of covariance, [C], activation units squared."""
        return 0.5 * (self.high_pole.trace + self.low_pole.trace)

    @cached_property
    def vector_squares(self) -> Floats:
        """v_j^2, [C, d].

        Raises:
            ValueError: the cells were made without their vectors.
        """
        if self.vector is None:
            raise ValueError("metrics about single coordinates need PromptCells.vector")
        squares: Floats = np.square(self.vector)
        return squares

    @cached_property
    def vector_square_sum(self) -> Floats:
        """||v||^2 from its coordinates, [C]."""
        total: Floats = self.vector_squares.sum(axis=1)
        return total

    @cached_property
    def pair_differences(self) -> PairDifferences:
        """Every high prompt against every low one, along the vector of the others, or, where
        prompts come in pairs, of the prompts of other pairs."""
        found = pair_differences(
            self.high_pole, self.low_pole, self.cross, self.high_to_low, self.low_to_high
        )
        if self.pairs is None:
            return found
        return without_pairs(found, self.gram, self.high_pole, self.low_pole, self.pairs)

    @cached_property
    def _gathered(self) -> Gathered:
        return gather(self.gram, self.high, self.low)


def mean_difference(high: Bools, low: Bools) -> Floats:
    """Weights of mu_H - mu_L, [C, n]; an empty pole counts as zero."""
    n_high, n_low = (np.maximum(pole.sum(axis=1, keepdims=True), 1) for pole in (high, low))
    return np.where(high, 1.0 / n_high, np.where(low, -1.0 / n_low, 0.0))


def pair_numbers(names: Sequence[str | None]) -> Integers | None:
    """Pairs as 0..k-1 in the order of their names, -1 for none, [n]; None without any pair."""
    known = sorted({name for name in names if name is not None})
    numbers = {name: number for number, name in enumerate(known)}
    if not known:
        return None
    return np.array([-1 if name is None else numbers[name] for name in names], np.intp)


def quadratic_form(gram: Floats, weights: Floats) -> Floats:
    """w'Gw of each cell, [C]."""
    form: Floats = ((weights[:, None, :] @ gram) @ weights[:, :, None])[:, 0, 0]
    return form


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

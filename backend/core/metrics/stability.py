"""Does the vector depend on which prompts happened to be written?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backend.core.arrays import ROUNDING, Bools, Floats, Integers
from backend.core.estimate import Estimate
from backend.core.metrics.contrast import NO_SEPARATION
from backend.core.metrics.measured import EMPTY_POLE, Measured
from backend.core.prompt_cells import PromptCells

SPLITS = 400
SPLIT_SEED = 20260217

ONLY_PROMPT = "it is the only prompt of its pole"
OPPOSED = "random halves give opposed vectors"
ZERO_WITHOUT = "without it the vector is zero"


@dataclass(frozen=True)
class Influences:
    """Influence of every prompt of every cell.

    Attributes:
        values: degrees, [C, n]; NaN where undefined and for absent prompts.
        reasons: (cell, prompt) -> why it is undefined; absent prompts have none.
    """

    values: Floats
    reasons: dict[tuple[int, int], str]

    def estimates(self, cells: PromptCells, cell: int) -> list[Estimate]:
        """The influence of each prompt of a cell that is there, in the order of the rows."""
        n = int(cells.prompts[cell])
        return [
            Estimate.undefined(n, self.reasons[cell, int(i)])
            if (cell, int(i)) in self.reasons
            else Estimate.exact(float(self.values[cell, i]), n)
            for i in np.flatnonzero(cells.high[cell] | cells.low[cell])
        ]


def influences(cells: PromptCells) -> Influences:
    """Influence of every prompt: the angle by which v turns when the prompt is left out.

    v is the difference of the means. Degrees; range [0, 180]; scale-free. Undefined for a pole's
    only prompt, or if either vector is zero.
    """
    values = np.full(cells.high.shape, np.nan)
    reasons: dict[tuple[int, int], str] = {}
    for high in (True, False):
        pole, turns = cells.pole(high), _turns(cells, high)
        cell, place = np.nonzero(pole.members)
        values[cell, pole.rows[cell, place]] = turns[cell, place]
        for c, p in np.argwhere(pole.members & np.isnan(turns)):
            reasons[int(c), int(pole.rows[c, p])] = _why_undefined(cells, int(c), high)
    return Influences(values, reasons)


def largest_influence(cells: PromptCells) -> Measured:
    """The largest influence of any prompt: how far one prompt turns the vector.

    Degrees; range [0, 180]; scale-free. Undefined where :func:`influences` is for all prompts.
    """
    turns = np.concatenate([_turns(cells, high) for high in (True, False)], axis=1)
    # fmax passes over NaN: the largest of the prompts that have an influence.
    values: Floats = np.fmax.reduce(turns, axis=1)
    reasons: dict[int, str] = {}
    for cell in np.flatnonzero(np.isnan(values)):
        first = int(np.argmax(cells.high[cell] | cells.low[cell]))
        reasons[int(cell)] = _why_undefined(cells, int(cell), bool(cells.high[cell, first]))
    return Measured(values, reasons)


def _turns(cells: PromptCells, high: bool) -> Floats:
    """Angle by which v turns without each prompt of a pole, [C, m]; NaN where undefined.

    Without prompt i of a pole of n, the pole's mean mu moves by (mu - x_i) / (n - 1), and v with
    it; the parts of that move along v and across v give the angle.
    """
    pole, other = cells.pole(high), cells.pole(not high)
    to_other = cells.high_to_low if high else cells.low_to_high
    length = cells.mean_separation[:, None]
    possible = (pole.prompts > 1) & (other.prompts > 0)
    count, less = pole.count[:, None], np.maximum(pole.count - 1, 1.0)[:, None]
    # Products of each prompt, and of the pole's mean, with the pole's own side of v.
    to_mean = pole.sums / count
    along_v = to_mean - to_other / other.count[:, None]
    mean_along_v = (
        pole.mean_square[:, None] - (to_other.sum(axis=1) / (pole.count * other.count))[:, None]
    )
    own_scale = pole.mean_square[:, None] + pole.squares
    gap = pole.mean_square[:, None] - 2 * to_mean + pole.squares
    # What rounding leaves of a prompt at its pole's mean is no move.
    moved = np.where(gap > ROUNDING * own_scale, gap, 0.0) / less**2
    along = (mean_along_v - along_v) / less
    return _angles(cells, length, along, moved, pole.members & possible[:, None])


def _angles(
    cells: PromptCells, length: Floats, along: Floats, moved: Floats, possible: Bools
) -> Floats:
    """Angle between v and v + u, degrees, [C, m], from ||v||, u . v and ||u||^2."""
    scale = (cells.high_pole.square_mean + cells.low_pole.square_mean)[:, None]
    left = np.square(length) + 2 * along + moved
    defined = possible & (length > 0) & (left > ROUNDING * scale)
    unit = np.where(length > 0, length, 1.0)
    share = along / unit
    # The angle by its tangent: arccos loses half the digits when v hardly turns.
    across = np.sqrt(np.maximum(moved - np.square(share), 0.0))
    degrees: Floats = np.degrees(np.arctan2(across, length + share))
    return np.where(defined, degrees, np.nan)


def _why_undefined(cells: PromptCells, cell: int, high: bool) -> str:
    """Why a prompt of a pole has no influence."""
    if cells.fewest[cell] < 1:
        return EMPTY_POLE
    if cells.mean_separation[cell] <= 0:
        return NO_SEPARATION
    return ONLY_PROMPT if cells.pole(high).prompts[cell] < 2 else ZERO_WITHOUT


def split_half_stability(
    cells: PromptCells, splits: int = SPLITS, seed: int = SPLIT_SEED
) -> Measured:
    """Mean cosine of vectors built from two random halves, Spearman-Brown corrected to full n.

    Each pole is split at random into halves (of an odd number, the larger half alternates); the
    mean cosine c over ``splits`` splits becomes 2c / (1 + c). Pairs stay whole, so that what a pair
    shares is in neither half's vector; with its prompts in different halves it would set the
    halves against each other. Scale-free; range [0, 1]; 1 means that other prompts of the same
    kind would give the same vector. Undefined with fewer than 2 prompts in a pole or, where all
    come in pairs, fewer than 2 pairs; with a half whose vector is zero; or with c below 0 (then
    halves disagree and the correction has no meaning). Source: Spearman 1910, Brown 1910.
    """
    values, reasons = np.full(len(cells), np.nan), {}
    for cell, few in enumerate(cells.fewest < 2):
        if few:
            reasons[cell] = (
                EMPTY_POLE
                if cells.fewest[cell] < 1
                else "halves need at least 2 prompts in each pole"
            )
            continue
        present = np.flatnonzero(cells.high[cell] | cells.low[cell])
        # Each cell draws by the positions of its own prompts, as if it were alone.
        halves = _halves(
            cells.high[cell, present],
            np.full(len(present), -1, np.intp)
            if cells.pairs is None
            else cells.pairs[cell, present].astype(np.intp),
            splits,
            seed,
        )
        if halves is None:
            reasons[cell] = "halves need prompts of each pole, and pairs stay whole"
            continue
        mean = _mean_cosine(cells.gram[cell][np.ix_(present, present)], *halves)
        if mean is None:
            reasons[cell] = "a vector built from half of the prompts is zero"
        elif mean < 0:
            reasons[cell] = f"{OPPOSED} (mean cosine {mean:.3f}), so Spearman-Brown does not apply"
        else:
            values[cell] = 2 * mean / (1 + mean)
    return Measured(values, reasons)


def _halves(high: Bools, pairs: Integers, splits: int, seed: int) -> tuple[Floats, Floats] | None:
    """Weights of the vectors of two random halves of one cell's prompts, both [splits, n]; None
    where a half has no prompt of a pole.

    Pairs are dealt whole; prompts without a partner are dealt within their pole.
    """
    first = _first_half(high.tobytes(), pairs.tobytes(), splits, seed)
    weights = []
    for half in (first, ~first):
        counts = [(half & pole).sum(axis=1, keepdims=True) for pole in (high, ~high)]
        if min(int(count.min()) for count in counts) < 1:
            return None
        weights.append((half & high) / counts[0] - (half & ~high) / counts[1])
    return weights[0], weights[1]


@lru_cache(maxsize=64)
def _first_half(high_bytes: bytes, pair_bytes: bytes, splits: int, seed: int) -> Bools:
    """Which prompts are in the first half of each split, [splits, n]; the same at all layers."""
    high, pairs = np.frombuffer(high_bytes, bool), np.frombuffer(pair_bytes, np.intp)
    whole = ((pairs[:, None] == pairs[None, :]).sum(axis=1) > 1) & (pairs >= 0)
    block = np.arange(len(high))  # each prompt's, named by one of its prompts
    named = [int(np.argmax(pairs == pair)) for pair in np.unique(pairs[whole])]
    for name in named:
        block[pairs == pairs[name]] = name
    dealt = [np.flatnonzero(~whole & pole) for pole in (high, ~high)]
    dealt.append(np.array(named, np.intp))
    rng = np.random.default_rng(seed)
    chosen = np.zeros((splits, len(high)), bool)
    for row in range(splits):
        for blocks in dealt:
            chosen[row, rng.permutation(blocks)[: (len(blocks) + row % 2) // 2]] = True
    first: Bools = chosen[:, block]
    first.setflags(write=False)
    return first


def _mean_cosine(gram: Floats, first: Floats, second: Floats) -> float | None:
    """Mean cosine of pairs of vectors with these weights, both [m, n]; None if one is zero."""
    first_forms, second_forms = first @ gram, second @ gram
    squares = np.einsum("ij,ij->i", first_forms, first) * np.einsum(
        "ij,ij->i", second_forms, second
    )
    if squares.min() <= 0:
        return None
    products = np.einsum("ij,ij->i", first_forms, second)
    return float(np.clip(products / np.sqrt(squares), -1.0, 1.0).mean())

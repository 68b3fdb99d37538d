"""Does the vector depend on which prompts happened to be written?"""

from __future__ import annotations

import math

import numpy as np

from backend.core.cases import Floats
from backend.core.geometry.contrast import NO_SEPARATION, separation_value
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import PromptSpace

SPLITS = 400
SPLIT_SEED = 20260217


def influences(space: PromptSpace) -> tuple[Measure, ...]:
    """Influence of every prompt: the angle by which v turns when the prompt is left out.

    Degrees; range [0, 180]; scale-free. Undefined for a pole's only prompt, or if either vector
    is zero.

    Returns:
        One measure per prompt, in the order of ``space.gram``.
    """
    high_count, low_count = int(space.high.sum()), int((~space.high).sum())
    whole = space.weights
    if separation_value(space) <= 0:
        return tuple(Measure.undefined(NO_SEPARATION) for _ in whole)
    without = np.tile(whole, (len(whole), 1))
    for i, is_high in enumerate(space.high):
        count = high_count if is_high else low_count
        mask = space.high if is_high else ~space.high
        if count > 1:
            without[i, mask] *= count / (count - 1)
        without[i, i] = 0.0
    forms = without @ space.gram
    squares = np.einsum("ij,ij->i", forms, without)
    products = forms @ whole
    # The angle by its tangent: arccos loses half the digits when v hardly turns.
    length = separation_value(space)
    results = []
    for i, is_high in enumerate(space.high):
        if (high_count if is_high else low_count) < 2:
            results.append(Measure.undefined("it is the only prompt of its pole"))
        elif squares[i] <= 0:
            results.append(Measure.undefined("without it the vector is zero"))
        else:
            cosine = products[i] / (np.sqrt(squares[i]) * length)
            unit = without[i] / np.sqrt(squares[i]) - cosine * whole / length
            sine = math.sqrt(max(0.0, float(unit @ space.gram @ unit)))
            results.append(Measure(math.degrees(math.atan2(sine, float(cosine)))))
    return tuple(results)


def largest_influence(space: PromptSpace) -> Measure:
    """The largest influence of any prompt: how far one prompt turns the vector.

    Degrees; range [0, 180]; scale-free. Undefined where :func:`influences` is for all prompts.
    """
    measured = influences(space)
    values = [m.value for m in measured if m.value is not None]
    if not values:
        return measured[0]
    return Measure(max(values))


def split_half_stability(
    space: PromptSpace, splits: int = SPLITS, seed: int = SPLIT_SEED
) -> Measure:
    """Mean cosine of vectors built from two random halves, Spearman-Brown corrected to full n.

    Each pole is split at random into halves (of an odd number, the larger half alternates); the
    mean cosine c over ``splits`` splits becomes 2c / (1 + c). Scale-free; range [0, 1]; 1 means
    that other prompts of the same kind would give the same vector. Undefined with fewer than 2
    prompts in a pole, a half whose vector is zero, or c below 0 (then halves disagree and the
    correction has no meaning). Source: Spearman 1910, Brown 1910.
    """
    high, low = np.flatnonzero(space.high), np.flatnonzero(~space.high)
    if min(len(high), len(low)) < 2:
        return Measure.undefined("halves need at least 2 prompts in each pole")
    rng = np.random.default_rng(seed)
    first = np.zeros((splits, len(space.high)))
    second = np.zeros_like(first)
    for row in range(splits):
        for indices, sign in ((high, 1.0), (low, -1.0)):
            shuffled = rng.permutation(indices)
            size = (len(shuffled) + row % 2) // 2
            first[row, shuffled[:size]] = sign / size
            second[row, shuffled[size:]] = sign / (len(shuffled) - size)
    mean = _mean_row_cosine(first, second, space.gram)
    if mean is None:
        return Measure.undefined("a vector built from half of the prompts is zero")
    if mean < 0:
        return Measure.undefined(
            f"random halves give opposed vectors (mean cosine {mean:.3f}), "
            "so Spearman-Brown does not apply"
        )
    return Measure(2 * mean / (1 + mean))


def _mean_row_cosine(first: Floats, second: Floats, gram: Floats) -> float | None:
    first_forms, second_forms = first @ gram, second @ gram
    squares = np.einsum("ij,ij->i", first_forms, first) * np.einsum(
        "ij,ij->i", second_forms, second
    )
    if squares.min() <= 0:
        return None
    products = np.einsum("ij,ij->i", first_forms, second)
    return float(np.clip(products / np.sqrt(squares), -1.0, 1.0).mean())

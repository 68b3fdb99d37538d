"""How sure the measures of a pole are: bootstrap over its prompts, from their Gram matrix.

A resample is a vector of counts, one per prompt. A prompt drawn twice would be a pair with
cosine 1 that no new prompt makes, so pairs of a prompt with its own copies are left out: every
measure is written as a mean over pairs of *different* prompts, weighted by the product of their
counts. With every prompt drawn once the measures are exactly those of ``within_pole``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.prompt_cells import cosine_matrix

RESAMPLES = 2000
SEED = 20260302
# With fewer, so few resamples differ that their quantiles are no interval.
LEAST = 5


@dataclass(frozen=True)
class PoleMeasure:
    """A measure of one pole that can be resampled.

    Attributes:
        name: suffix of its name in the registry of metrics.
        title: on screen.
        unit: ``scale-free`` or in terms of the activations.
        of_counts: (gram [n, n], width, counts [m, n]) -> value per row of counts, NaN where
            undefined.
    """

    name: str
    title: str
    unit: str
    of_counts: Callable[[Floats, int, Floats], Floats]

    def value(self, sample: PoleSample) -> float | None:
        """The measure with every prompt drawn once; None where it is undefined."""
        counts = np.ones((1, len(sample.texts)))
        found = float(self.of_counts(sample.gram, sample.width, counts)[0])
        return None if math.isnan(found) else found


@dataclass(frozen=True)
class PoleSample:
    """The prompts of one pole. Attributes: gram [n, n], width (d) and texts, in one order."""

    gram: Floats
    width: int
    texts: tuple[str, ...]

    def ordered(self, texts: tuple[str, ...]) -> PoleSample:
        """The same prompts in another order."""
        order = [self.texts.index(text) for text in texts]
        return PoleSample(self.gram[np.ix_(order, order)], self.width, texts)


def compare_poles(measure: PoleMeasure, first: PoleSample, second: PoleSample) -> Estimate:
    """second - first with a bootstrap interval over prompts.

    Paired where both have the same texts: each resample draws the same prompts in both. Else the
    two are drawn apart; where they share some texts that makes the interval wider than need be.
    The interval is Hesterberg's expanded percentile interval, as plain percentiles are too narrow
    for a handful of prompts (2015, The American Statistician 69: 371-386).

    Args:
        measure: what is measured.
        first: the pole in the first run.
        second: the same pole in the second.

    Returns:
        The difference with its 95% interval and without p; n is the smaller number of prompts.
        Without interval below ``LEAST`` prompts or where resamples do not vary; undefined where
        a measure is.
    """
    paired = is_paired(first, second)
    if paired:
        second = second.ordered(first.texts)
    n = min(len(first.texts), len(second.texts))
    before, after = measure.value(first), measure.value(second)
    if before is None or after is None:
        return Estimate.undefined(n, "the measure is undefined on one side")
    difference = after - before
    if n < LEAST:
        why = f"fewer than {LEAST} prompts"
        return Estimate(difference, None, None, None, n, why)
    rng = np.random.default_rng(SEED)
    first_counts = draw_counts(rng, len(first.texts))
    second_counts = first_counts if paired else draw_counts(rng, len(second.texts))
    resampled = measure.of_counts(second.gram, second.width, second_counts) - measure.of_counts(
        first.gram, first.width, first_counts
    )
    resampled = resampled[np.isfinite(resampled)]
    if len(resampled) < 0.9 * RESAMPLES:
        return Estimate(difference, None, None, None, n, "many resamples leave it undefined")
    if np.ptp(resampled) <= 1e-12 * max(abs(before), abs(after)):
        return Estimate(difference, None, None, None, n, "the resamples do not vary")
    low, high = expanded_percentiles(resampled, n)
    method = "expanded percentile bootstrap over prompts"
    return Estimate(difference, low, high, None, n, None, method)


def is_paired(first: PoleSample, second: PoleSample) -> bool:
    """Whether both hold the same prompts, so that a resample can draw the same in both."""
    return sorted(first.texts) == sorted(second.texts)


def draw_counts(rng: np.random.Generator, n: int) -> Floats:
    """How often each of n prompts is drawn, [RESAMPLES, n]."""
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def expanded_percentiles(values: Floats, n: int) -> tuple[float, float]:
    """Percentiles further out by sqrt(n / (n - 1)) and Student's t: 95% as t would have it.

    Args:
        values: the bootstrap distribution.
        n: number of cases that were resampled.
    """
    tail = float(special.ndtr(math.sqrt(n / (n - 1)) * special.stdtrit(n - 1, 0.025)))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def mean_over_pairs(matrix: Floats, counts: Floats) -> Floats:
    """Mean of a symmetric matrix over pairs of different prompts, weighted by their counts, [m].

    Args:
        matrix: [n, n].
        counts: [m, n]; a row that draws one prompt alone has no pair and gives NaN.
    """
    total = counts.sum(axis=1)
    weights = total**2 - np.square(counts).sum(axis=1)
    sums = ((counts @ matrix) * counts).sum(axis=1) - np.square(counts) @ np.diag(matrix)
    found: Floats = np.where(weights > 0, sums / np.where(weights > 0, weights, 1.0), np.nan)
    return found


def _cosine(gram: Floats, _width: int, counts: Floats) -> Floats:
    return mean_over_pairs(cosine_matrix(gram), counts)


def _within_variance(gram: Floats, width: int, counts: Floats) -> Floats:
    """trace(cov) / d: half the mean squared distance of pairs, times (n - 1) / n."""
    trace, _ = _trace_and_mean_square(gram, counts)
    found: Floats = trace / width
    return found


def _spread(gram: Floats, _width: int, counts: Floats) -> Floats:
    trace, mean_square = _trace_and_mean_square(gram, counts)
    good = mean_square > 0
    found: Floats = np.where(good, trace / np.where(good, mean_square, 1.0), np.nan)
    return found


def _trace_and_mean_square(gram: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Trace of the population covariance and ||mu||^2 of each resample, copies left out."""
    n = len(gram)
    squares = np.diag(gram)
    lengths = mean_over_pairs(0.5 * (squares[:, None] + squares[None, :]), counts)
    products = mean_over_pairs(gram, counts)
    return (n - 1) / n * (lengths - products), lengths / n + (n - 1) / n * products


POLE_MEASURES: tuple[PoleMeasure, ...] = (
    PoleMeasure("cosine", "mean cosine", "scale-free", _cosine),
    PoleMeasure("within_variance", "within-class variance", "activation²", _within_variance),
    PoleMeasure("spread", "spread", "scale-free", _spread),
)

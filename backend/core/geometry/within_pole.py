"""Metrics of one pole's prompts: how much they agree in direction and in length."""

from __future__ import annotations

import numpy as np

from backend.core.cases import Floats
from backend.core.geometry.measure import Measure
from backend.core.geometry.prompt_space import PromptSpace, cosine_matrix

# A difference of two sums below this share of them is rounding.
ROUNDING = 1e-14


def trace_of_covariance(pole_gram: Floats) -> float:
    """Trace of the population covariance of one pole, activation units squared, >= 0.

    mean ||x_i||^2 - ||mu||^2. What rounding leaves of identical prompts is zero.

    Args:
        pole_gram: G of one pole, [n, n].
    """
    square = float(np.trace(pole_gram) / len(pole_gram))
    trace = square - float(pole_gram.mean())
    return trace if trace > ROUNDING * square else 0.0


def within_variance(space: PromptSpace, high: bool) -> Measure:
    """Within-class variance: mean over the d coordinates of the population variance.

    Units: activation squared; range [0, inf). Source: study, "Raw Data" (HVar, LVar).
    """
    return Measure(trace_of_covariance(space.pole(high)) / space.width)


def mean_cosine(space: PromptSpace, high: bool) -> Measure:
    """Mean over pairs i<j of cos(x_i, x_j) within a pole.

    Scale-free; range [-1, 1]. Undefined with one prompt or a zero activation. Source: study,
    "Raw Data" (HCos, LCos).
    """
    gram = space.pole(high)
    n = len(gram)
    if n < 2:
        return Measure.undefined("a mean over pairs needs at least 2 prompts in the pole")
    if np.diag(gram).min() <= 0:
        return Measure.undefined("a prompt's activation is zero, so it has no direction")
    cosines = cosine_matrix(gram)
    return Measure(float(cosines[np.triu_indices(n, k=1)].mean()))


def norm_cv(space: PromptSpace, high: bool) -> Measure:
    """Norm coefficient of variation of a pole: std(||x_i||) / mean(||x_i||), population std.

    Scale-free; range [0, inf). Undefined if all activations are zero.
    """
    norms = np.sqrt(np.diag(space.pole(high)))
    if norms.mean() <= 0:
        return Measure.undefined("every activation of the pole is zero")
    return Measure(float(norms.std() / norms.mean()))


def spread(space: PromptSpace, high: bool) -> Measure:
    """Spread of a pole: trace(cov) / ||mu||^2, the within-class variance without its units.

    Scale-free; range [0, inf). Undefined if the pole's mean is zero.
    """
    gram = space.pole(high)
    mean_square = float(gram.mean())
    if mean_square <= 0:
        return Measure.undefined("the pole's mean activation is zero")
    return Measure(trace_of_covariance(gram) / mean_square)

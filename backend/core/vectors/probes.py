"""Probes: directions fitted to scored responses, and scored on scenarios they never saw.

A probe is fitted on responses, so its r on the same responses says nothing. Here the scenarios are
split into folds; the strength of the penalty is chosen on folds of the training scenarios (nested),
and r is taken over the projections of held-out scenarios. A median that says which scores are high
is that of the training responses. The coordinates are along principal components of all responses,
which know no score. Source: study, Solution B.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats
from backend.core.vectors.folds import grouped_folds
from backend.core.vectors.logistic import logistic_fits

OUTER, INNER = 5, 3
SEED = 20260304
STRENGTHS = (0.1, 1.0, 10.0)
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
# A class with fewer responses than this cannot fill the folds.
LEAST_CLASS = 10


@dataclass(frozen=True)
class Labels:
    """Which scores are high and which low; those between are not trained on.

    Attributes:
        at_least: high from here up; None for above the median score of the responses that a fold
            is fitted on.
        at_most: low up to here; None for at or below that median.
    """

    at_least: float | None
    at_most: float | None

    def of(self, scores: Floats, train: Bools | None = None) -> tuple[Bools, Bools]:
        """High and low responses; a missing score (NaN) is neither.

        Args:
            scores: [N].
            train: the responses whose median counts, [N]; None for all.
        """
        if self.at_least is None or self.at_most is None:
            known = scores if train is None else scores[train]
            middle = np.nanmedian(known) if np.isfinite(known).any() else 0.0
            return scores > middle, scores <= middle
        return scores >= self.at_least, scores <= self.at_most


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        direction: unit vector from all responses, in the coordinates given, [q]; None where
            undefined.
        held_out: [N], each response projected on the unit direction of the fold that did not see
            its scenario; NaN for responses in no fold.
        reason: why there is none.
    """

    direction: Floats | None
    held_out: Floats
    reason: str | None = None


def logistic_probe(
    features: Floats, scores: Floats, scenarios: NDArray[np.intp], labels: Labels, seed: int = SEED
) -> Probe:
    """L2 logistic regression of high v low responses, classes weighted equally.

    Args:
        features: coordinates of the responses, [N, q].
        scores: [N], NaN where not scored.
        scenarios: [N], scenario of each response as 0..k-1.
        labels: which scores are high and low.
        seed: of the folds.

    Undefined if a class has fewer than 10 responses, or a fold lacks a class.
    """
    high, low = labels.of(scores)
    nothing = np.full(len(features), np.nan)
    counts = (int(high.sum()), int(low.sum()))
    if min(counts) < LEAST_CLASS:
        why = f"{counts[0]} high and {counts[1]} low responses; each class needs {LEAST_CLASS}"
        return Probe(None, nothing, why)
    scaled = features / _rms(features)

    def fit(train: Bools, strengths: Sequence[float]) -> list[Floats] | None:
        high, low = labels.of(scores, train)
        rows = train & (high | low)
        if not (rows & high).any() or not (rows & low).any():
            return None
        return logistic_fits(scaled[rows], high[rows], strengths)

    def loss(weights: Floats, train: Bools, test: Bools) -> float:
        """Log loss, both classes weighing the same; 0 where both are missing."""
        high, low = labels.of(scores, train)
        margins = scaled @ weights[:-1] + weights[-1]
        losses = np.logaddexp(0.0, np.where(high, -margins, margins))
        sides = [losses[test & side].mean() for side in (high, low) if (test & side).any()]
        return float(np.mean(sides)) if sides else 0.0

    return _nested(features, scenarios, STRENGTHS, fit, loss, seed)


def ridge_probe(
    features: Floats,
    first: NDArray[np.intp] | None,
    last: NDArray[np.intp],
    behaviour: Floats,
    scenarios: NDArray[np.intp],
    seed: int = SEED,
) -> Probe:
    """Ridge regression of score drift on the drift of the responses' coordinates.

    Args:
        features: coordinates of the responses, [N, q].
        first: response at t1 of each case, [cases]; None for levels.
        last: response at tN (or the single one), [cases].
        behaviour: score drift or level, [cases].
        scenarios: [N], scenario of each response as 0..k-1.
        seed: of the folds.

    Undefined with fewer than 20 cases or if the behaviour does not vary.
    """
    nothing = np.full(len(features), np.nan)
    if len(last) < 20:
        return Probe(None, nothing, f"{len(last)} scored cases; ridge needs 20")
    if np.ptp(behaviour) <= 1e-12 * np.abs(behaviour).max():
        return Probe(None, nothing, "the scores do not vary")
    rows = features[last] if first is None else features[last] - features[first]
    rows = rows / _rms(rows)
    of_case = scenarios[last]

    def members(mask: Bools) -> Bools:
        return np.isin(of_case, np.unique(scenarios[mask]))

    def fit(train: Bools, strengths: Sequence[float]) -> list[Floats] | None:
        chosen = members(train)
        if chosen.sum() < 3:
            return None
        x, y = rows[chosen], behaviour[chosen]
        centre, level = x.mean(axis=0), y.mean()
        x, y = x - centre, y - level
        small = len(x) < x.shape[1]
        gram = x @ x.T if small else x.T @ x
        found = []
        for strength in strengths:
            penalised = gram + strength * len(x) * np.eye(len(gram))
            if small:
                weights = x.T @ np.linalg.solve(penalised, y)
            else:
                weights = np.linalg.solve(penalised, x.T @ y)
            found.append(np.append(weights, level - centre @ weights))
        return found

    def loss(weights: Floats, _: Bools, test: Bools) -> float:
        chosen = members(test)
        return float(
            np.square(rows[chosen] @ weights[:-1] + weights[-1] - behaviour[chosen]).mean()
        )

    return _nested(features, scenarios, RIDGES, fit, loss, seed)


def _nested(
    features: Floats,
    scenarios: NDArray[np.intp],
    strengths: Sequence[float],
    fit: Callable[[Bools, Sequence[float]], list[Floats] | None],
    loss: Callable[[Floats, Bools, Bools], float],
    seed: int,
) -> Probe:
    """Outer folds for the projections, inner folds for the strength of the penalty."""
    held_out = np.full(len(features), np.nan)

    def choose(train: Bools, fold_seed: int) -> Floats | None:
        totals = np.zeros(len(strengths))
        for test in grouped_folds(scenarios[train], INNER, fold_seed):
            inner = train.copy()
            inner[np.flatnonzero(train)[test]] = False
            outer = train & ~inner
            fitted = fit(inner, strengths)
            if fitted is None:
                return None
            totals += [loss(weights, inner, outer) for weights in fitted]
        chosen = fit(train, [strengths[int(totals.argmin())]])
        return None if chosen is None else chosen[0]

    for number, test in enumerate(grouped_folds(scenarios, OUTER, seed)):
        weights = choose(~test, seed + 1 + number)
        if weights is None:
            return Probe(None, np.full(len(features), np.nan), "a fold lacks one of the classes")
        held_out[test] = features[test] @ _unit(weights[:-1])
    whole = choose(np.ones(len(features), bool), seed)
    if whole is None:
        return Probe(None, np.full(len(features), np.nan), "a fold lacks one of the classes")
    return Probe(_unit(whole[:-1]), held_out)


def _unit(weights: Floats) -> Floats:
    length = float(np.linalg.norm(weights))
    return weights / length if length > 0 else weights


def _rms(rows: Floats) -> float:
    """Root mean square length of the rows, so that a penalty means the same on every model."""
    return float(np.sqrt(np.square(rows).sum(axis=1).mean())) or 1.0

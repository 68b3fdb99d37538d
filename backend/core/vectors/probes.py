"""Probes: directions fitted to scored responses, and scored on scenarios they never saw.

A probe is fitted on responses, so its r on the same responses says nothing. Here the scenarios are
split into folds; the strength of the penalty is chosen on folds of the training scenarios (nested),
and r is taken over the projections of held-out scenarios. A median that says which scores are high
is that of the training responses. The coordinates are along principal components of all responses,
which know no score. Source: study, Solution B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg.lapack import dposv

from backend.core.arrays import Bools, Floats
from backend.core.vectors.folds import grouped_folds
from backend.core.vectors.logistic import Numbers, logistic_fits

OUTER, INNER = 5, 3
SEED = 20260304
STRENGTHS = (0.1, 1.0, 10.0)
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
LACKING = "a fold lacks one of the classes"
# Losses of two strengths nearer than this share are compared at the exact optima.
CLOSE = 2e-3
# Numbers of an array of responses times fits at a time.
TOGETHER = 2**24
# A class with fewer responses than this cannot fill the folds.
LEAST_CLASS = 10
# A group is held out to judge, another of the rest to choose the strength, and one is fitted on.
LEAST_GROUPS = 3


@dataclass(frozen=True)
class Labels:
    """Which scores are high and which low; those between are not trained on.

    The study gives its thresholds for scores of 0 to 10; :meth:`on` carries them to another range.

    Attributes:
        at_least: high from here up; None for above the median score of the responses that a fold
            is fitted on.
        at_most: low up to here; None for at or below that median.
    """

    at_least: float | None
    at_most: float | None

    def on(self, score_range: tuple[float, float]) -> Labels:
        """These thresholds of scores of 0 to 10 at the same fractions of another range.

        Args:
            score_range: lowest and highest allowed score of a study.
        """
        if self.at_least is None or self.at_most is None:
            return self
        low, high = score_range

        def carried(threshold: float) -> float:
            # One division at the end: 30% of 0 to 7 is the score that is written 2.1, which
            # 0.3 * 7 is not.
            return (10 * low + threshold * (high - low)) / 10

        return replace(self, at_least=carried(self.at_least), at_most=carried(self.at_most))

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


@dataclass(frozen=True)
class _Folds:
    """Who trains and who is tested; the same for every probe of a layer.

    Attributes:
        trains: training responses of each final fit, [fits, N]: one per outer fold, then all.
        tests: responses held out of each outer fold, [outer folds, N].
        inner_trains: of the fits that choose a strength, [inner fits, N].
        inner_tests: [inner fits, N].
        owners: which final fit each inner fit chooses for, [inner fits].
    """

    trains: Bools
    tests: Bools
    inner_trains: Bools
    inner_tests: Bools
    owners: NDArray[np.intp]


def _too_few_groups(scenarios: NDArray[np.intp]) -> str | None:
    """Why no folds can be nested in folds of so few groups; None where they can."""
    groups = len(np.unique(scenarios))
    if groups >= LEAST_GROUPS:
        return None
    return f"nested folds need at least {LEAST_GROUPS} groups of dependent responses, not {groups}"


def _folds(scenarios: NDArray[np.intp], seed: int) -> _Folds:
    return _folds_of(scenarios.tobytes(), seed)


@lru_cache(maxsize=4)
def _folds_of(scenarios_bytes: bytes, seed: int) -> _Folds:
    scenarios = np.frombuffer(scenarios_bytes, np.intp)
    tests = np.stack(grouped_folds(scenarios, OUTER, seed))
    trains = np.concatenate([~tests, np.ones((1, len(scenarios)), bool)])
    owners, inner_trains, inner_tests = [], [], []
    for number, train in enumerate(trains):
        fold_seed = seed + 1 + number if number < len(tests) else seed
        for part in grouped_folds(scenarios[train], INNER, fold_seed):
            test = np.zeros_like(train)
            test[np.flatnonzero(train)[part]] = True
            owners.append(number)
            inner_trains.append(train & ~test)
            inner_tests.append(test)
    return _Folds(trains, tests, np.stack(inner_trains), np.stack(inner_tests), np.array(owners))


def logistic_probes(
    features: Floats,
    targets: Sequence[Floats],
    scenarios: NDArray[np.intp],
    labels: Labels,
    seed: int = SEED,
) -> list[Probe]:
    """L2 logistic regression of high v low responses, classes weighted equally.

    The fits of several targets are columns of the same products.

    Args:
        features: coordinates of the responses, [N, q].
        targets: scores of every trait, [N] each, NaN where not scored.
        scenarios: [N], scenario of each response as 0..k-1.
        labels: which scores are high and low.
        seed: of the folds.

    Undefined if a class has fewer than 10 responses, with fewer than 3 groups of responses, or if a
    fold lacks a class.
    """
    nothing = np.full(len(features), np.nan)
    few = _too_few_groups(scenarios)
    folds = None if few else _folds(scenarios, seed)
    found: list[Probe | None] = []
    left: dict[int, _Problem] = {}
    for number, scores in enumerate(targets):
        high, low = labels.of(scores)
        counts = (int(high.sum()), int(low.sum()))
        if min(counts) < LEAST_CLASS:
            why = f"{counts[0]} high and {counts[1]} low responses; each class needs {LEAST_CLASS}"
            found.append(Probe(None, nothing, why))
        elif folds is None:
            found.append(Probe(None, nothing, few))
        else:
            final = _Sides.of(labels, scores, folds.trains)
            inner = _Sides.of(labels, scores, folds.inner_trains)
            whole = final.whole and inner.whole
            found.append(None if whole else Probe(None, nothing, LACKING))
            if whole:
                left[number] = _Problem(final, inner)
    if folds is not None:
        scaled = features / _rms(features)
        numbers = [*left]
        columns = len(features) * len(folds.owners) * len(STRENGTHS)
        most = max(1, TOGETHER // columns)
        for first in range(0, len(numbers), most):
            some = numbers[first : first + most]
            chosen = _chosen(scaled, folds, [left[number] for number in some])
            for number, weights in zip(some, chosen, strict=True):
                found[number] = _held_out(features, folds, weights)
    return [probe for probe in found if probe is not None]


@dataclass(frozen=True)
class _Problem:
    """What is high and low of one target.

    Attributes:
        final: of the final fits.
        inner: of the fits that choose a strength.
    """

    final: _Sides
    inner: _Sides


def _chosen(scaled: Floats, folds: _Folds, problems: Sequence[_Problem]) -> list[Floats]:
    """Weights of every problem's final fits, [q + 1, fits], each at the strength that its inner
    fits choose."""
    # One column a fit and strength, strengths side by side; those of one problem follow another's.
    each = len(folds.owners) * len(STRENGTHS)
    fits = np.repeat(np.arange(len(folds.owners)), len(STRENGTHS))
    tried = np.tile(STRENGTHS, len(folds.owners) * len(problems))
    high = np.concatenate([problem.inner.high[:, fits] for problem in problems], axis=1)
    used = np.concatenate([problem.inner.used[:, fits] for problem in problems], axis=1)
    weights = logistic_fits(scaled, high, used, tried, exact=False)

    def totals(number: int, some: NDArray[np.intp], precision: DTypeLike) -> Floats:
        """Losses of some columns of a problem, [fits, strengths]."""
        own = weights[:, number * each + some].astype(precision)
        rows = scaled.astype(precision, copy=False)
        return problems[number].inner.loss(rows, own, folds.inner_tests.T, fits[some])

    losses = np.zeros((len(problems), len(folds.trains), len(STRENGTHS)))
    for number in range(len(problems)):
        np.add.at(losses[number], folds.owners, totals(number, np.arange(each), np.float32))
    ordered = np.sort(losses, axis=-1)
    close = ordered[..., 1] - ordered[..., 0] <= CLOSE * ordered[..., 0]
    again = np.flatnonzero(close[:, folds.owners[fits]])
    if len(again):
        weights[:, again] = logistic_fits(
            scaled, high[:, again], used[:, again], tried[again], weights[:, again]
        )
        losses[close] = 0.0
        for number in np.unique(again // each):
            some = again[again // each == number] - number * each
            np.add.at(
                losses[number],
                folds.owners[fits[some[:: len(STRENGTHS)]]],
                totals(number, some, np.float64),
            )
    best = losses.argmin(axis=-1)
    start = [
        weights[:, number * each : (number + 1) * each][
            :, (folds.owners[fits] == fit) & (tried[:each] == STRENGTHS[strength])
        ].mean(axis=1)
        for number in range(len(problems))
        for fit, strength in enumerate(best[number])
    ]
    chosen = logistic_fits(
        scaled,
        np.concatenate([problem.final.high for problem in problems], axis=1),
        np.concatenate([problem.final.used for problem in problems], axis=1),
        np.array(STRENGTHS)[best].ravel(),
        np.stack(start, axis=1),
    )
    return np.split(chosen, len(problems), axis=1)


@dataclass(frozen=True)
class _Sides:
    """High and low responses of each fit, by what it may know.

    Attributes:
        high: [N, fits].
        low: [N, fits].
        used: those of both that the fit trains on, [N, fits].
    """

    high: Bools
    low: Bools
    used: Bools

    @classmethod
    def of(cls, labels: Labels, scores: Floats, trains: Bools) -> _Sides:
        """By the scores of the training responses, [fits, N]."""
        sides = [labels.of(scores, train) for train in trains]
        high = np.stack([high for high, _ in sides], axis=1)
        low = np.stack([low for _, low in sides], axis=1)
        return cls(high, low, trains.T & (high | low))

    @property
    def whole(self) -> bool:
        """Whether every fit has responses of both classes."""
        both = (self.used & self.high).any(axis=0) & (self.used & self.low).any(axis=0)
        return bool(both.all())

    def loss(
        self, scaled: Numbers, weights: Numbers, tests: Bools, fits: NDArray[np.intp]
    ) -> Numbers:
        """Log loss, both classes weighing the same; 0 where both are missing; [fits, strengths].

        Args:
            scaled: coordinates of the responses, [N, q].
            weights: [q + 1, columns], the strengths of a fit side by side.
            tests: responses to be judged by, [N, fits].
            fits: which fit each column is of, [columns].
        """
        own = fits[:: len(STRENGTHS)]
        high, low = self.high[:, own], self.low[:, own]
        margins = (scaled @ weights[:-1] + weights[-1]).reshape(len(scaled), len(own), -1)
        margins *= (1 - 2 * high.astype(scaled.dtype))[..., None]
        # log(1 + e^m), without an overflow.
        losses = np.log1p(np.exp(-np.abs(margins)))
        losses += np.maximum(margins, 0)
        sides = np.stack([tests[:, own] & high, tests[:, own] & low])
        counts = sides.sum(axis=1)[..., None]
        sums = np.einsum("snf,nfc->sfc", sides.astype(scaled.dtype), losses)
        means = (sums / np.maximum(counts, 1)).sum(axis=0)
        found: Numbers = means / np.maximum((counts > 0).sum(axis=0), 1)
        return found


@dataclass(frozen=True)
class RidgeTarget:
    """What a ridge probe is to predict.

    Attributes:
        first: response at t1 of each case, [cases]; None for levels.
        last: response at tN (or the single one), [cases].
        values: score drift or level, [cases].
    """

    first: NDArray[np.intp] | None
    last: NDArray[np.intp]
    values: Floats


def ridge_probes(
    features: Floats,
    targets: Sequence[RidgeTarget],
    scenarios: NDArray[np.intp],
    seed: int = SEED,
) -> list[Probe]:
    """Ridge regression of score drift on the drift of the responses' coordinates.

    Targets over the same cases share their systems of equations.

    Args:
        features: coordinates of the responses, [N, q].
        targets: such as the drifts of every trait.
        scenarios: [N], scenario of each response as 0..k-1.
        seed: of the folds.

    Undefined with fewer than 20 cases, if the behaviour does not vary, or with fewer than 3 groups
    of responses.
    """
    nothing = np.full(len(features), np.nan)
    few = _too_few_groups(scenarios)
    found: list[Probe | None] = [None] * len(targets)
    same: dict[tuple[bytes, bytes], list[int]] = {}
    for number, target in enumerate(targets):
        values = target.values
        if len(values) < 20:
            found[number] = Probe(None, nothing, f"{len(values)} scored cases; ridge needs 20")
        elif np.ptp(values) <= 1e-12 * np.abs(values).max():
            found[number] = Probe(None, nothing, "the scores do not vary")
        elif few:
            found[number] = Probe(None, nothing, few)
        else:
            first = b"" if target.first is None else target.first.tobytes()
            same.setdefault((first, target.last.tobytes()), []).append(number)
    for numbers in same.values():
        one = targets[numbers[0]]
        values = np.stack([targets[number].values for number in numbers], axis=1)
        probes = _ridge_probes(features, one, values, scenarios, _folds(scenarios, seed))
        for number, probe in zip(numbers, probes, strict=True):
            found[number] = probe
    return [probe for probe in found if probe is not None]


def _ridge_probes(
    features: Floats,
    cases: RidgeTarget,
    values: Floats,
    scenarios: NDArray[np.intp],
    folds: _Folds,
) -> list[Probe]:
    """A probe of every column of values, [cases, targets]."""
    last, first = features[cases.last], cases.first
    rows = last if first is None else last - features[first]
    rows = rows / _rms(rows)
    of_case = scenarios[cases.last]

    def members(masks: Bools) -> Bools:
        """Cases whose scenario has a response in the mask, [masks, cases]."""
        there = np.zeros((len(masks), int(scenarios.max()) + 1), bool)
        for own, mask in zip(there, masks, strict=True):
            own[scenarios[mask]] = True
        return there[:, of_case]

    trains, inner_trains = members(folds.trains), members(folds.inner_trains)
    if min(trains.sum(axis=1).min(), inner_trains.sum(axis=1).min()) < 3:
        nothing = np.full(len(features), np.nan)
        return [Probe(None, nothing, LACKING) for _ in values.T]
    losses = np.zeros((len(trains), len(RIDGES), values.shape[1]))
    for owner, train, test in zip(
        folds.owners, inner_trains, members(folds.inner_tests), strict=True
    ):
        for number, weights in enumerate(_ridge(rows[train], values[train], RIDGES)):
            errors = rows[test] @ weights[:-1] + weights[-1] - values[test]
            losses[owner, number] += np.square(errors).mean(axis=0)
    best = losses.argmin(axis=1)
    chosen = np.zeros((values.shape[1], rows.shape[1] + 1, len(trains)))
    for number, train in enumerate(trains):
        for strength in np.unique(best[number]):
            own = np.flatnonzero(best[number] == strength)
            fitted = _ridge(rows[train], values[train][:, own], RIDGES[strength : strength + 1])
            chosen[own, :, number] = fitted[0].T
    return [_held_out(features, folds, weights) for weights in chosen]


def _ridge(x: Floats, y: Floats, strengths: Sequence[float]) -> list[Floats]:
    """Ridge weights and intercepts at every strength, [q + 1, targets] each.

    Args:
        x: [n, q].
        y: [n, targets].
        strengths: of the penalty, a share of n.
    """
    centre, level = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centre, y - level
    small = len(x) < x.shape[1]
    gram, target = (x @ x.T, y) if small else (x.T @ x, x.T @ y)
    found = []
    for strength in strengths:
        penalised = gram.copy(order="F")
        penalised[np.diag_indices_from(gram)] += strength * len(x)
        # For the small systems of many fits, cho_solve takes twice as long with its checks.
        _, solved, failed = dposv(penalised, target, overwrite_a=True)
        if failed:
            raise np.linalg.LinAlgError("a ridge system is not positive definite")
        weights = x.T @ solved if small else solved
        found.append(np.concatenate([weights, (level - centre @ weights)[None, :]]))
    return found


def _held_out(features: Floats, folds: _Folds, chosen: Floats) -> Probe:
    """The probe of all final fits, [q + 1, fits]."""
    held_out = np.full(len(features), np.nan)
    for test, weights in zip(folds.tests, chosen.T[:-1], strict=True):
        held_out[test] = features[test] @ _unit(weights[:-1])
    return Probe(_unit(chosen[:-1, -1]), held_out)


def _unit(weights: Floats) -> Floats:
    length = float(np.linalg.norm(weights))
    return weights / length if length > 0 else weights


def _rms(rows: Floats) -> float:
    """Root mean square length of the rows, so that a penalty means the same on every model."""
    return float(np.sqrt(np.square(rows).sum(axis=1).mean())) or 1.0

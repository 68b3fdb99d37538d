"""L2-penalised logistic regression: many problems on the same rows, solved side by side.

A probe is some sixty small problems: every fold, inner fold and strength on the same responses,
of which each leaves some out. Here a problem is a column, and all columns take their Newton steps
together, so that nearly all work is products of matrices. Steps are first taken in single
precision, then, where an exact optimum is asked for, in double; a step solves its system by
conjugate gradients. Equal to scikit-learn's optimum; docs/performance.md says how much faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import expit

from backend.core.arrays import Bools, Floats

# Floats of either precision.
Numbers = NDArray[Any]

STEPS = 100
# Largest entry of the gradient at an optimum, a share of the summed weights of the rows.
EXACT, NEAR = 1e-9, 1e-6
# Numbers of one array of rows times problems at a time, so that memory stays small beside the rows.
BLOCK = 2_000_000
# A Newton step is solved to this share of its gradient, more exactly near the optimum.
LOOSEST, CLOSEST = 0.1, 1e-4
MOST_CG = 200


def logistic_fits(
    x: Floats,
    high: Bools,
    used: Bools,
    strengths: Floats,
    start: Floats | None = None,
    *,
    exact: bool = True,
) -> Floats:
    """Fit high v low once per problem, both classes weighing the same.

    Minimises sum_i c_i log(1 + exp(-s_i (x_i w + w0))) + ||w||^2 / (2 C) over the rows in use,
    with s_i = +1 or -1 and c_i = n / (2 n_class); the intercept w0 is not penalised. Source:
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 4.4; truncated
    Newton steps, Nocedal and Wright, Numerical Optimization, section 7.1.

    Args:
        x: [n, q], shared by all problems.
        high: the class of each row, [n, problems].
        used: which rows a problem is fitted on, [n, problems].
        strengths: C of each problem, the inverse of the penalty, [problems].
        start: where to begin, [q + 1, problems]; zero by default.
        exact: to the optimum in float64; otherwise near it, as single precision gets, which is
            enough to compare losses.

    Returns:
        [q + 1, problems]: w, then w0.

    Raises:
        ValueError: a problem has no rows of one of its classes.
    """
    count = used.sum(axis=0)
    in_high = (used & high).sum(axis=0)
    if ((in_high == 0) | (in_high == count)).any():
        raise ValueError("logistic regression needs rows of both classes")
    taken = used.any(axis=1)
    rows = np.column_stack([x[taken], np.ones(int(taken.sum()))])
    rough, fine = _Rows(rows, np.float32), _Rows(rows, np.float64)
    found = np.zeros((rows.shape[1], len(strengths))) if start is None else start.copy()
    width = max(1, BLOCK // max(1, len(rows)))
    for first in range(0, len(strengths), width):
        part = slice(first, first + width)
        own_high, own_used = high[taken, part], used[taken, part]
        class_size = np.where(own_high, in_high[part], (count - in_high)[part])
        problems = _Problems(
            signs=np.where(own_high, 1.0, -1.0),
            weights=own_used * (count[part] / (2 * class_size)),
            penalties=1 / strengths[part],
        )
        own, left = _minimum(rough, problems, found[:, part], NEAR)
        if exact:
            left = np.arange(own.shape[1])
        if len(left):
            own[:, left], _ = _minimum(fine, problems.of(left), own[:, left], EXACT)
        found[:, part] = own
    return found


@dataclass(frozen=True)
class _Problems:
    """Columns of one shape.

    Attributes:
        signs: +1 for high, -1 for low, [n, problems].
        weights: c, 0 for rows that are not in use, [n, problems].
        penalties: 1 / C, [problems].
    """

    signs: Numbers
    weights: Numbers
    penalties: Numbers

    def to(self, precision: DTypeLike) -> _Problems:
        """The same columns in another precision."""
        return _Problems(
            self.signs.astype(precision, copy=False),
            self.weights.astype(precision, copy=False),
            self.penalties.astype(precision, copy=False),
        )

    def of(self, chosen: NDArray[np.intp]) -> _Problems:
        """Some of the columns."""
        return _Problems(self.signs[:, chosen], self.weights[:, chosen], self.penalties[chosen])


@dataclass(frozen=True)
class _Point:
    """Where some problems stand.

    Attributes:
        fitted: w and w0, [q + 1, problems].
        wrong: probability given to the wrong class, [n, problems].
        gradient: of the objective, [q + 1, problems].
    """

    fitted: Numbers
    wrong: Numbers
    gradient: Numbers

    def of(self, chosen: NDArray[np.intp]) -> _Point:
        """Some of the columns."""
        return _Point(self.fitted[:, chosen], self.wrong[:, chosen], self.gradient[:, chosen])


class _Rows:
    """The rows that all problems share, in one precision.

    Args:
        rows: [n, q + 1], with a column of ones.
        precision: of every number computed with them.
    """

    def __init__(self, rows: Floats, precision: DTypeLike) -> None:
        self.precision = precision
        self._rows = rows.astype(precision, copy=False)

    def at(self, problems: _Problems, fitted: Numbers) -> _Point:
        """What the objective is like at some weights."""
        wrong = expit(-problems.signs * (self._rows @ fitted))
        gradient = -(self._rows.T @ (problems.weights * problems.signs * wrong))
        gradient[:-1] += problems.penalties * fitted[:-1]
        return _Point(fitted, wrong, gradient)

    def steps(self, problems: _Problems, point: _Point, size: Numbers, share: Numbers) -> Numbers:
        """Newton steps H^-1 g by conjugate gradients, [q + 1, problems].

        Args:
            problems: the columns.
            point: where they stand.
            size: largest entry of each gradient, [problems], > 0.
            share: which part of the gradient may remain, [problems].
        """
        rows = self._rows
        curvature = problems.weights * point.wrong * (1 - point.wrong)
        ridge = np.tile(problems.penalties, (len(point.fitted), 1))
        ridge[-1] = 0
        # Rows lie along principal components, where the diagonal is most of the matrix.
        diagonal = self._squares.T @ curvature + ridge
        inverse = 1 / np.maximum(diagonal, np.finfo(np.float32).tiny)
        residual = point.gradient / size
        solution = np.zeros_like(residual)
        scaled = inverse * residual
        towards = scaled.copy()
        product = np.einsum("ij,ij->j", residual, scaled)
        enough = np.square(share) * product
        going = np.flatnonzero(product > 0)
        columns = np.arange(len(size))
        for _ in range(MOST_CG):
            if len(going) < len(columns):
                columns, enough, product = columns[going], enough[going], product[going]
                curvature, ridge, inverse = curvature[:, going], ridge[:, going], inverse[:, going]
                residual, towards = residual[:, going], towards[:, going]
            if not len(columns):
                break
            image = rows.T @ (curvature * (rows @ towards)) + ridge * towards
            length = product / np.einsum("ij,ij->j", towards, image)
            solution[:, columns] += length * towards
            residual = residual - length * image
            scaled = inverse * residual
            now = np.einsum("ij,ij->j", residual, scaled)
            towards = scaled + (now / product) * towards
            product = now
            going = np.flatnonzero(now > enough)
        steps: Numbers = solution * size
        return steps

    @cached_property
    def _squares(self) -> Numbers:
        squares: Numbers = np.square(self._rows)
        return squares


def _minimum(
    rows: _Rows, problems: _Problems, start: Floats, tolerance: float
) -> tuple[Floats, NDArray[np.intp]]:
    """Minima from a start, and the columns for which no step led on.

    Args:
        rows: shared by all.
        problems: the columns.
        start: [q + 1, problems].
        tolerance: largest entry of the gradient, a share of the summed weights.
    """
    found = start.copy()
    stuck: list[int] = []
    problems = problems.to(rows.precision)
    columns = np.arange(start.shape[1])
    point = rows.at(problems, start.astype(rows.precision))
    enough = tolerance * problems.weights.sum(axis=0)
    first = np.abs(point.gradient).max(axis=0)
    for _ in range(STEPS):
        size = np.abs(point.gradient).max(axis=0)
        found[:, columns] = point.fitted
        going = np.flatnonzero(size > enough)
        if not len(going):
            return found, np.array(stuck, np.intp)
        if len(going) < len(columns):
            columns, enough, first, size = columns[going], enough[going], first[going], size[going]
            problems, point = problems.of(going), point.of(going)
        # The nearer the optimum, the more a step solved exactly gains.
        share = np.sqrt(size / np.maximum(first, size))
        steps = rows.steps(problems, point, size, np.clip(share, CLOSEST, LOOSEST))
        point, lost = _moved(rows, problems, point, steps)
        stuck += columns[lost].tolist()
        enough[lost] = np.inf
    found[:, columns] = point.fitted
    return found, np.concatenate([np.array(stuck, np.intp), columns])


def _moved(
    rows: _Rows, problems: _Problems, point: _Point, steps: Numbers
) -> tuple[_Point, NDArray[np.intp]]:
    """Every problem a step further, halved until the slope along it has fallen by half.

    The objective is convex, so a slope near zero along the step is its minimum there.

    Returns:
        The new point, and the columns that no step length moved.
    """
    slope = np.einsum("ij,ij->j", steps, point.gradient)
    size = 1.0
    moved = rows.at(problems, point.fitted - steps)
    left = np.flatnonzero(_steep(moved, steps, slope))
    while len(left) and size > 1e-8:
        size /= 2
        tried = rows.at(problems.of(left), point.fitted[:, left] - size * steps[:, left])
        moved.fitted[:, left], moved.wrong[:, left] = tried.fitted, tried.wrong
        moved.gradient[:, left] = tried.gradient
        left = left[_steep(tried, steps[:, left], slope[left])]
    for part, before in (
        (moved.fitted, point.fitted),
        (moved.wrong, point.wrong),
        (moved.gradient, point.gradient),
    ):
        part[:, left] = before[:, left]
    return moved, left


def _steep(point: _Point, steps: Numbers, slope: Numbers) -> Bools:
    """Where the slope along the step is still more than half of what it was, [problems]."""
    after = np.abs(np.einsum("ij,ij->j", steps, point.gradient))
    steep: Bools = ~(after <= 0.5 * slope)
    return steep

"""L2-penalised logistic regression: many problems on the same rows, solved side by side.

A probe is some sixty small problems: every fold, inner fold and strength on the same responses,
of which each leaves some out. Here a problem is a column, and all columns take their Newton steps
together, so that nearly all work is products of matrices. A step solves its system by conjugate
gradients in single precision: it need not be exact, as the gradient where it leads says how far
the optimum still is. Where an exact optimum is asked for, that gradient is in double precision.
Equal to scikit-learn's optimum; docs/performance.md says how much faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backend.core.arrays import Bools, Floats

# Floats of either precision.
Numbers = NDArray[Any]

STEPS = 100
# Largest entry of the gradient at an optimum, a share of the summed weights of the rows.
EXACT, NEAR = 2e-10, 1e-5
# Numbers of one array of rows times problems at a time, so that memory stays small beside the rows.
BLOCK = 2_000_000
# A Newton step is solved to this share of its gradient, more exactly near the optimum.
LOOSEST, CLOSEST = 0.1, 1e-4
MOST_CG = 200
# Columns whose step is solved leave the products once they are this share of them.
SOLVED = 0.2


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
    weights = count / (2 * np.stack([count - in_high, in_high]))
    taken = used.any(axis=1)
    rows = np.column_stack([x[taken], np.ones(int(taken.sum()))])
    rough, fine = _Rows(rows, np.float32), _Rows(rows, np.float64)
    gradients, enough = (fine, EXACT) if exact else (rough, NEAR)
    found = np.zeros((rows.shape[1], len(strengths))) if start is None else start.copy()
    width = max(1, BLOCK // max(1, len(rows)))
    for first in range(0, len(strengths), width):
        part = slice(first, first + width)
        problems = gradients.problems(
            high[taken, part], used[taken, part], weights[:, part], 1 / strengths[part]
        )
        own, left = _minimum(gradients, rough, problems, found[:, part], enough)
        if len(left):
            problems = problems.of(left).to(np.float64)
            own[:, left], _ = _minimum(fine, fine, problems, own[:, left], enough)
        found[:, part] = own
    return found


@dataclass(frozen=True)
class _Problems:
    """Columns of one shape.

    Attributes:
        high: 1 for high rows, 0 for low ones, [n, problems].
        weights: c, 0 for rows that are not in use, [n, problems].
        penalties: 1 / C, [problems].
    """

    high: Numbers
    weights: Numbers
    penalties: Numbers

    def to(self, precision: DTypeLike) -> _Problems:
        """The same columns in another precision."""
        return _Problems(
            self.high.astype(precision, copy=False),
            self.weights.astype(precision, copy=False),
            self.penalties.astype(precision, copy=False),
        )

    def of(self, chosen: NDArray[np.intp]) -> _Problems:
        """Some of the columns."""
        return _Problems(self.high[:, chosen], self.weights[:, chosen], self.penalties[chosen])


@dataclass(frozen=True)
class _Point:
    """Where some problems stand.

    Attributes:
        fitted: w and w0, [q + 1, problems].
        likely: probability of the high class, [n, problems].
        gradient: of the objective, [q + 1, problems].
    """

    fitted: Numbers
    likely: Numbers
    gradient: Numbers

    def of(self, chosen: NDArray[np.intp]) -> _Point:
        """Some of the columns."""
        return _Point(self.fitted[:, chosen], self.likely[:, chosen], self.gradient[:, chosen])


class _Rows:
    """The rows that all problems share, in one precision.

    Args:
        rows: [n, q + 1], with a column of ones.
        precision: of every number computed with them.
    """

    def __init__(self, rows: Floats, precision: DTypeLike) -> None:
        self.precision = precision
        self._rows = rows.astype(precision, copy=False)

    def problems(self, high: Bools, used: Bools, weights: Floats, penalties: Floats) -> _Problems:
        """Columns in this precision.

        Args:
            high: the class of each row, [n, problems].
            used: which rows a problem is fitted on, [n, problems].
            weights: c of low and of high rows, [2, problems].
            penalties: 1 / C, [problems].
        """
        of_low, of_high = weights.astype(self.precision)
        classes = high.astype(self.precision)
        each = classes * (of_high - of_low)
        each += of_low
        each *= used
        return _Problems(classes, each, penalties.astype(self.precision))

    def at(self, problems: _Problems, fitted: Numbers) -> _Point:
        """What the objective is like at some weights."""
        likely = self._rows @ -fitted
        with np.errstate(over="ignore"):  # infinity, whose inverse is the probability 0
            np.exp(likely, out=likely)
        likely += 1
        np.reciprocal(likely, out=likely)
        wrong = likely - problems.high
        wrong *= problems.weights
        gradient = self._rows.T @ wrong
        gradient[:-1] += problems.penalties * fitted[:-1]
        return _Point(fitted, likely, gradient)

    def steps(self, problems: _Problems, point: _Point, size: Numbers, share: Numbers) -> Numbers:
        """Newton steps H^-1 g by conjugate gradients, [q + 1, problems].

        Args:
            problems: the columns.
            point: where they stand.
            size: largest entry of each gradient, [problems], > 0.
            share: which part of the gradient may remain, [problems].
        """
        rows, problems = self._rows, problems.to(self.precision)
        likely = point.likely.astype(self.precision, copy=False)
        curvature = 1 - likely
        curvature *= likely
        curvature *= problems.weights
        ridge = np.tile(problems.penalties, (len(point.fitted), 1))
        ridge[-1] = 0
        # Rows lie along principal components, where the diagonal is most of the matrix.
        diagonal = np.outer(self._squares, curvature.sum(axis=0)) + ridge
        tiny = np.finfo(np.float32).tiny
        inverse = 1 / np.maximum(diagonal, tiny)
        residual = (point.gradient / size).astype(self.precision)
        solution = np.zeros_like(residual)
        towards = inverse * residual
        product = np.einsum("ij,ij->j", residual, towards)
        enough = np.square(share).astype(self.precision) * product
        columns, going = np.arange(len(size)), product > 0
        for _ in range(MOST_CG):
            if going.mean() <= 1 - SOLVED:
                columns, enough, product = columns[going], enough[going], product[going]
                curvature, ridge, inverse = curvature[:, going], ridge[:, going], inverse[:, going]
                residual, towards = residual[:, going], towards[:, going]
            if not len(columns):
                break
            image = rows @ towards
            image *= curvature
            image = rows.T @ image
            image += ridge * towards
            length = product / np.maximum(np.einsum("ij,ij->j", towards, image), tiny)
            solution[:, columns] += length * towards
            image *= length
            residual -= image
            scaled = inverse * residual
            now = np.einsum("ij,ij->j", residual, scaled)
            towards *= now / np.maximum(product, tiny)
            towards += scaled
            product, going = now, now > enough
        steps: Numbers = solution * size
        return steps

    @cached_property
    def _squares(self) -> Numbers:
        """Mean square of each coordinate, [q + 1]."""
        squares: Numbers = np.square(self._rows).mean(axis=0)
        return squares


def _minimum(
    gradients: _Rows, steps: _Rows, problems: _Problems, start: Floats, tolerance: float
) -> tuple[Floats, NDArray[np.intp]]:
    """Minima from a start, and the columns for which no step led on.

    Args:
        gradients: the rows, in the precision of the gradients and of the problems.
        steps: the rows, in that of the steps.
        problems: the columns.
        start: [q + 1, problems].
        tolerance: largest entry of the gradient, a share of the summed weights.
    """
    found = start.copy()
    stuck: list[int] = []
    columns = np.arange(start.shape[1])
    point = gradients.at(problems, start.astype(gradients.precision))
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
        moves = steps.steps(problems, point, size, np.clip(share, CLOSEST, LOOSEST))
        moves = moves.astype(gradients.precision, copy=False)
        point, lost = _moved(gradients, problems, point, moves)
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
        moved.fitted[:, left], moved.likely[:, left] = tried.fitted, tried.likely
        moved.gradient[:, left] = tried.gradient
        left = left[_steep(tried, steps[:, left], slope[left])]
    for part, before in (
        (moved.fitted, point.fitted),
        (moved.likely, point.likely),
        (moved.gradient, point.gradient),
    ):
        part[:, left] = before[:, left]
    return moved, left


def _steep(point: _Point, steps: Numbers, slope: Numbers) -> Bools:
    """Where the slope along the step is still more than half of what it was, [problems]."""
    after = np.abs(np.einsum("ij,ij->j", steps, point.gradient))
    steep: Bools = ~(after <= 0.5 * slope)
    return steep

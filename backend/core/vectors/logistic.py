"""L2-penalised logistic regression by damped Newton steps in the span of the rows.

A run fits hundreds of small problems, several per fold on the same rows; with fewer rows than
coordinates the optimum lies in the rows' span, where a Newton step costs a small solve. Equal to
scikit-learn's optimum and about four times as fast at the size of the bundled sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from backend.core.arrays import Bools, Floats

STEPS = 100
GRADIENT = 1e-9


def logistic_fits(x: Floats, high: Bools, strengths: Sequence[float]) -> list[Floats]:
    """Fit high v low, both classes weighing the same, once per strength.

    Minimises sum_i c_i log(1 + exp(-s_i (x_i w + w0))) + ||w||^2 / (2 C) with s_i = +1 or -1 and
    c_i = n / (2 n_class); the intercept w0 is not penalised. Source: Hastie, Tibshirani and
    Friedman, The Elements of Statistical Learning, sections 4.4 and 18.3.5 (reduction to the
    rows' span).

    Args:
        x: [n, q].
        high: the class of each row, [n]; both occur.
        strengths: C, the inverse of the penalty, in the order to fit: each starts from the last.

    Returns:
        For every strength [q + 1]: w, then w0.

    Raises:
        ValueError: a class is missing.
    """
    n, q = x.shape
    count = int(high.sum())
    if count in (0, n):
        raise ValueError("logistic regression needs rows of both classes")
    basis = None
    if n < q:
        basis, triangle = np.linalg.qr(x.T)
        x = triangle.T
    signs = np.where(high, 1.0, -1.0)
    rows = np.column_stack([x, np.ones(n)]) * signs[:, None]
    weights = np.where(high, n / (2 * count), n / (2 * (n - count)))
    fitted = np.zeros(rows.shape[1])
    found = []
    for strength in strengths:
        fitted = _newton(rows, weights, 1 / strength, fitted)
        whole = fitted[:-1] if basis is None else basis @ fitted[:-1]
        found.append(np.append(whole, fitted[-1]))
    return found


def _newton(rows: Floats, weights: Floats, penalty: float, start: Floats) -> Floats:
    """Minimum of the objective from a start; rows are multiplied by their class's sign."""
    ridge = np.full(len(start), penalty)
    ridge[-1] = 0.0
    fitted, margins = start, rows @ start
    value = _objective(fitted, margins, weights, ridge)
    for _ in range(STEPS):
        wrong = expit(-margins)
        gradient = ridge * fitted - rows.T @ (weights * wrong)
        if np.abs(gradient).max() <= GRADIENT * weights.sum():
            break
        curvature = weights * wrong * (1 - wrong)
        hessian = (rows.T * curvature) @ rows
        hessian[np.diag_indices_from(hessian)] += ridge
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > 1e-8:
            candidate = fitted - size * step
            margins = rows @ candidate
            trial = _objective(candidate, margins, weights, ridge)
            if trial <= value:
                break
            size /= 2
        else:
            break  # rounding: no step lowers the objective any more
        fitted, value = candidate, trial
    return fitted


def _objective(fitted: Floats, margins: Floats, weights: Floats, ridge: Floats) -> float:
    return float(weights @ np.logaddexp(0.0, -margins) + 0.5 * ridge @ fitted**2)

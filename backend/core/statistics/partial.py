"""Correlation with other variables held constant."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import Floats, refuse_not_finite
from backend.core.cases import Cases
from backend.core.estimate import FISHER_Z, Estimate
from backend.core.statistics.correlation import correlation_p, fisher_interval, pearson


def partial_correlation(cases: Cases, controls: Floats) -> Estimate:
    """Pearson's r of what is left of x and y after regressing both on the controls.

    p uses Student's t with n - 2 - k degrees of freedom, the interval Fisher's z with
    n - 3 - k. Undefined if too few cases are left or a residual does not vary. Source: Fisher
    1924, Metron 3: 329-332.

    Args:
        cases: x and y.
        controls: [n, k]; a constant is added.
    """
    refuse_not_finite(controls=controls)
    n, k = controls.shape
    if n - 2 - k < 1:
        return Estimate.undefined(n, f"{n} cases with {k} controls leave no degree of freedom")
    design = np.column_stack([np.ones(n), controls])
    rest_x = _residual(design, cases.x)
    rest_y = _residual(design, cases.y)
    if rest_x is None or rest_y is None:
        return Estimate.undefined(n, "a variable is wholly explained by the controls")
    found = pearson(cases.with_x(rest_x).with_y(rest_y))
    if found.value is None:
        return Estimate.undefined(n, found.reason or "r is undefined")
    p = correlation_p(found.value, n, k)
    if n - 3 - k < 1:
        return Estimate(found.value, None, None, p, n, "too few cases for an interval")
    low, high = fisher_interval(found.value, n - k)
    return Estimate(found.value, low, high, p, n, None, FISHER_Z)


def _residual(design: Floats, values: Floats) -> Floats | None:
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    rest: Floats = values - design @ coefficients
    if np.abs(rest).max() <= 1e-10 * max(np.abs(values).max(), 1e-300):
        return None
    return rest

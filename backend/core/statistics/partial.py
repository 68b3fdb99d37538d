"""Correlation with other variables held constant."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import Floats, refuse_not_finite
from backend.core.cases import Cases
from backend.core.estimate import FISHER_Z, Estimate
from backend.core.statistics.clustered import LeftOut, correlations_of, left_out_products
from backend.core.statistics.correlation import (
    correlation_p,
    fisher_interval,
    over_groups,
    pearson,
)


def partial_correlation(cases: Cases, controls: Floats) -> Estimate:
    """Pearson's r of what is left of x and y after regressing both on the controls.

    All within responders. Of independent cases p uses Student's t with n - 2 - k degrees of
    freedom, the interval Fisher's z with n - 3 - k, less one for each further responder; of
    dependent ones both are by the jackknife over groups. Undefined if too few cases are left or a
    residual does not vary. Source: Fisher 1924, Metron 3: 329-332.

    Args:
        cases: x and y.
        controls: [n, k]; a constant is added.
    """
    refuse_not_finite(controls=controls)
    n, k = controls.shape
    free = n - cases.absorbed
    if free - 2 - k < 1:
        return Estimate.undefined(n, f"{n} cases with {k} controls leave no degree of freedom")
    inner, inner_controls = cases.within_responders(), cases.centred(controls)
    design = np.column_stack([np.ones(n), inner_controls])
    rest_x = _residual(design, inner.x)
    rest_y = _residual(design, inner.y)
    if rest_x is None or rest_y is None:
        return Estimate.undefined(n, "a variable is wholly explained by the controls")
    found = pearson(cases.with_x(rest_x).with_y(rest_y))
    if found.value is None:
        return Estimate.undefined(n, found.reason or "r is undefined")
    if cases.dependent:
        columns = np.column_stack([cases.x, cases.y, controls])
        return over_groups(found.value, cases, _partial_of(left_out_products(columns, cases)))
    p = correlation_p(found.value, free, k)
    if free - 3 - k < 1:
        return Estimate(found.value, None, None, p, n, "too few cases for an interval")
    low, high = fisher_interval(found.value, free - k)
    return Estimate(found.value, low, high, p, n, None, FISHER_Z)


def _partial_of(left_out: LeftOut) -> Floats:
    """Partial r of the first two columns given the others, without each group, [groups]."""
    products = left_out.products
    across, own = products[:, :2, 2:], products[:, 2:, 2:]
    rest: Floats = products[:, :2, :2] - across @ np.linalg.pinv(own) @ across.transpose(0, 2, 1)
    return correlations_of(rest, 0, 1)


def _residual(design: Floats, values: Floats) -> Floats | None:
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    rest: Floats = values - design @ coefficients
    if np.abs(rest).max() <= 1e-10 * max(np.abs(values).max(), 1e-300):
        return None
    return rest

"""What a single case does to r and to the regression line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.statistics.correlation import FLAT


@dataclass(frozen=True, eq=False)
class CaseTerms:
    """Every case's part in r, within responders.

    Attributes:
        x: less its mean (that of the responder's cases), [n].
        y: likewise, [n].
        slope: of the least squares line of y on x, y units per x unit.
        residuals: y less slope times x, [n], y units.
        scale: sqrt(sum x^2 sum y^2): x y / scale is a case's term of r, and these sum to r. None
            where y does not vary, so that there is no r.
    """

    x: Floats
    y: Floats
    slope: float
    residuals: Floats
    scale: float | None


def case_terms(cases: Cases) -> CaseTerms | None:
    """Every case's part in r; None with fewer than 3 cases or where x does not vary.

    Args:
        cases: x and y.
    """
    inner = cases.within_responders()
    x, y = inner.x - inner.x.mean(), inner.y - inner.y.mean()
    if len(x) < 3 or _flat(x, cases.x):
        return None
    slope = float(x @ y) / float(x @ x)
    size = None if _flat(y, cases.y) else math.sqrt(float(x @ x) * float(y @ y))
    return CaseTerms(x, y, slope, y - slope * x, size)


def _flat(centred: Floats, given: Floats) -> bool:
    return bool(np.abs(centred).max() <= FLAT * np.abs(given).max())

"""Whether a difference is told from zero goes by the adjusted p, never by the interval."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.statistics.significance import significance


def test_significance_goes_by_the_adjusted_p():
    up, down = Estimate(0.1, 0.01, 0.2, 0.01, 50), Estimate(-0.1, -0.2, -0.01, 0.01, 50)
    assert [significance(up, 0.04), significance(down, 0.04), significance(up, 0.06)] == [
        "higher",
        "lower",
        "not shown",
    ]
    assert significance(Estimate.undefined(0, "x"), None) == "undefined"

"""An estimate is a finite number or says why there is none."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused(place, number):
    numbers = [0.5, 0.1, 0.9, 0.04]
    numbers[place] = number
    with pytest.raises(ValueError, match="give the reason instead"):
        Estimate(*numbers, 12)


def test_a_missing_value_needs_a_reason():
    with pytest.raises(ValueError, match="needs a reason"):
        Estimate(None, None, None, None, 3)
    assert Estimate.undefined(3, "too few") == Estimate(None, None, None, None, 3, "too few")


def test_an_exact_number_has_neither_interval_nor_reason():
    assert Estimate.exact(1.5, 20) == Estimate(1.5, None, None, None, 20, None, None)

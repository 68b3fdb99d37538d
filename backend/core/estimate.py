"""A number and how far it can be trusted: the one result of every statistic and metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

# How intervals are made, as Estimate.interval_method says it.
FISHER_Z = "Fisher z"
BCA_BOOTSTRAP = "BCa bootstrap over groups of scenarios"
ZOU = "Zou"
HALVES = "Fisher z over random halves"
JACKKNIFE = "jackknife over groups"
STUDENT = "Student t"
STUDENT_OF_LOGARITHM = "Student t of the logarithm"
GROUPED_Z = f"Fisher z, {JACKKNIFE}"
EFFECTIVE_Z = "Fisher z, effective number of cases"
BONETT_WRIGHT = "Bonett and Wright"
CROSS_FITTED = "difference of r, chosen on one half and judged on the other"


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty, or the reason why there is none.

    Attributes:
        value: the estimate; None where undefined.
        low: lower end of the 95% interval; None where there is none.
        high: upper end.
        p: two-sided p of no effect, where there is a test; else None.
        n: number of cases behind it (of a metric of prompts: prompts).
        reason: why something is missing; None if all is there.
        interval_method: how the interval was made; None where nobody needs to be told, as there
            is no interval.
        effective: of dependent cases, how many independent ones would be as sure; None where
            it is n.
        groups: number of groups that dependent cases come in; None where they are independent.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    reason: str | None = None
    interval_method: str | None = None
    effective: float | None = None
    groups: int | None = None

    def __post_init__(self) -> None:
        """NaN never leaves a statistic: an undefined number is None with a reason."""
        for name in ("value", "low", "high", "p"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name} is {number}: give the reason instead")
        if self.value is None and not self.reason:
            raise ValueError("an estimate without a value needs a reason")

    @classmethod
    def undefined(cls, n: int, reason: str) -> Estimate:
        """No value, with the reason."""
        return cls(None, None, None, None, n, reason)

    @classmethod
    def exact(cls, value: float, n: int) -> Estimate:
        """A number that is exact for the data at hand, such as a count, a mean or a metric."""
        return cls(value, None, None, None, n)

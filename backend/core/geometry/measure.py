"""A number, or the reason why there is none. NaN never leaves this layer."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """The value of one metric on one cell.

    Attributes:
        value: the number; None where the metric is undefined.
        reason: why it is undefined; None where it is defined.
    """

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measure has either a value or a reason, and not both")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a measure is finite, not {self.value}: give the reason instead")

    @classmethod
    def undefined(cls, reason: str) -> Measure:
        """A measure without a value, and why."""
        return cls(None, reason)

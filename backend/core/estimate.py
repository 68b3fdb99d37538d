"""An estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        value: the estimate; None where undefined.
        low: lower end of the 95% interval; None where undefined.
        high: upper end.
        p: two-sided p of no effect, where there is a test; else None.
        n: number of independent cases behind it.
        reason: why something is missing; None if all is there.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    reason: str | None = None

    @classmethod
    def undefined(cls, n: int, reason: str) -> Estimate:
        """No value, with the reason."""
        return cls(None, None, None, None, n, reason)

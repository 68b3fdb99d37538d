"""Working, close or failed: what an r counts as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from backend.settings import StatusThresholds

Status = Literal["working", "close", "failed", "undefined"]
STATUSES: tuple[Status, ...] = ("working", "close", "failed", "undefined")


def status_of(r: float | None, thresholds: StatusThresholds) -> Status:
    """Status of an r; ``undefined`` without one (study, "Current Scorecard")."""
    if r is None:
        return "undefined"
    if r > thresholds.working:
        return "working"
    return "close" if r >= thresholds.close else "failed"


def count_statuses(rs: Sequence[float | None], thresholds: StatusThresholds) -> dict[Status, int]:
    """How many of some r have each status."""
    counts: dict[Status, int] = dict.fromkeys(STATUSES, 0)
    for r in rs:
        counts[status_of(r, thresholds)] += 1
    return counts

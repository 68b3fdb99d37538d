"""What is said beside a diagnosis, on its page and in its section."""

from __future__ import annotations

from backend.core.estimate import Estimate

VERDICTS = (
    "A cause is supported only if its marker exceeds what healthy cells show and, where a fix can "
    "be measured, the fix raises r with its whole interval. Ruled out: its marker is where healthy "
    "cells have it. Undetermined: these data cannot tell."
)
GAINS = (
    "Intervals right of zero raise r. Fixes are measured on the responses at hand, fitted ones on "
    "scenarios they were not fitted on. A grey one right of zero helps although its cause is ruled "
    "out: it mends something else too."
)


def r_sentence(r: Estimate, digits: int) -> str:
    """r of a cell with its interval and n, or why it is undefined.

    Args:
        r: of the mean difference.
        digits: after the point.
    """
    if r.value is None:
        return f"r is undefined: {r.reason}."
    shown = f"r = {r.value:+.{digits}f}"
    if r.low is None or r.high is None:
        return f"{shown} without an interval, n = {r.n}."
    return f"{shown}, 95% interval [{r.low:+.{digits}f}, {r.high:+.{digits}f}], n = {r.n}."

"""What is said beside a diagnosis, on its page and in its section."""

from __future__ import annotations

from backend.core.estimate import Estimate

VERDICTS = (
    "A cause is supported only if its marker exceeds what healthy cells show and, where a fix can "
    "be measured, the fix raises r: with p below 5% over all causes and traits of the run. Ruled "
    "out: its marker is where healthy cells have it. Undetermined: these data cannot tell."
)
GAINS = (
    "Intervals right of zero raise r. The best of several fixes, and the layer unless you chose "
    "it, are chosen on one half of the scenarios and compared with the mean difference on the "
    "other half. A grey marker right of zero: the fix raises r although its own cause was ruled "
    "out."
)


def title(*, works: bool) -> str:
    """What the page asks of a cell.

    Args:
        works: whether its r is that of a working cell.
    """
    return "What limits this trait?" if works else "Why does this trait fail?"


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

"""How a job waits for what is away: it goes on by itself, and is not failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from backend.errors import NoRoom, SharedAway
from backend.types import Progress

T = TypeVar("T")
# How soon a job that met a full disk, or a shared place that is away, tries again, seconds.
AGAIN_SECONDS = 5.0
_LOOK_SECONDS = 0.2


def patiently(
    act: Callable[[], T],
    check: Callable[[], None],
    report: Callable[[Progress], None],
    log: Callable[[str], None],
    let_go: Callable[[], None] = lambda: None,
) -> T:
    """Do part of a job; while the disk is full or the shared place away, wait and do it again.

    Args:
        act: may be done again after it was ended by a fault.
        check: raises where the job is to be left.
        report: told of the progress.
        log: adds to the job's log.
        let_go: of what the next try makes anew.

    Raises:
        Left: as ``check`` does.
    """
    told = False
    while True:
        try:
            return act()
        except (NoRoom, SharedAway) as fault:
            let_go()
            if not told:
                told = True
                log(f"waiting: {fault.what}\nremedy: {fault.remedy}")
                what = "room on the disk" if isinstance(fault, NoRoom) else "the shared place"
                report(Progress(f"waiting for {what} ({fault.what})"))
            until = time.monotonic() + AGAIN_SECONDS
            while time.monotonic() < until:
                check()
                time.sleep(_LOOK_SECONDS)

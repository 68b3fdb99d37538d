"""Lets pages answer before extractions go on, where both want the same processor."""

from __future__ import annotations

import os
from pathlib import Path

# With all cores busy, a process of normal priority gets three times the share of one of this. More
# would starve a worker on a machine where others compute too.
NICENESS = 5
_SESSION = Path("/proc/self/autogroup")


def yield_to_pages(*, own_session: bool) -> None:
    """Lower this process's priority; for a worker, before it starts threads.

    Args:
        own_session: whether nothing else runs in its session. Linux shares processors out among
            sessions first (autogroup), so there the session's priority counts, not the process's.
    """
    os.nice(NICENESS)
    if own_session:
        try:
            _SESSION.write_text(str(NICENESS), "ascii")
        except OSError:  # another system, or one without such sharing
            return

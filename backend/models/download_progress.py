"""Wait for something slow and tell how far it is, from the thread that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

Progress = Callable[[str, float | None], None]
T = TypeVar("T")
POLL_SECONDS = 0.5


def watched(
    task: Callable[[], T], measure: Callable[[], float | None], stage: str, progress: Progress
) -> T:
    """Run ``task`` in a thread of its own and report its progress until it ends.

    ``progress`` is called in the calling thread, as a job's context may be bound to it.

    Args:
        task: what to do.
        measure: the fraction done, or None while it cannot be told.
        stage: what is being done, in words.
        progress: called with (stage, fraction) at the start and about twice a second.

    Returns:
        What the task returns; what it raises is raised.
    """
    progress(stage, None)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="steerscope-fetch") as pool:
        running = pool.submit(task)
        while wait([running], timeout=POLL_SECONDS).not_done:
            progress(stage, measure())
        return running.result()


def bytes_in(folder: Path, patterns: tuple[str, ...] = ("**/*",)) -> int:
    """Bytes in the files below a folder that match; files may vanish meanwhile."""
    total = 0
    for pattern in patterns:
        for path in folder.glob(pattern):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except OSError:  # renamed or removed between the listing and the question
                continue
    return total

"""What the worker said about each job: one small text file a job, stages and faults with times.

Where caches share a place, each cache writes a file of its own for a job, named by both, and is
given those of the others: a job that went on elsewhere has several, which are read as one.
"""

from __future__ import annotations

import datetime
import logging
from pathlib import Path

from backend.errors import SharedAway
from backend.jobs.cache_id import cache_id
from backend.names import file_in
from backend.settings import Settings
from backend.store.shared import share_deletion

# A log is read by a page: the newest lines of a job that was resumed many times are enough.
MOST_LINES = 300
_MOMENT = "%Y-%m-%d %H:%M:%SZ"
_MOMENT_LENGTH = len("2026-01-31 12:00:00Z")
logger = logging.getLogger("steerscope.worker")


def log_path(settings: Settings, run_id: str) -> Path:
    """Where the log of a job is, or would be."""
    path = file_in(_folder(settings), "job", run_id, ".log")
    if settings.shared:
        path = path.with_name(f"{run_id}~{cache_id(settings)}.log")
    return path


def _folder(settings: Settings) -> Path:
    return settings.jobs / "logs"


def _parts(settings: Settings, run_id: str) -> list[Path]:
    """All files about a job, of every cache; what it said before caches shared a place first."""
    whole = file_in(_folder(settings), "job", run_id, ".log")
    parts = sorted(_folder(settings).glob(f"{run_id}~*.log"))
    return [whole, *parts] if whole.exists() else parts


def add_to_log(settings: Settings, run_id: str, text: str) -> None:
    """Append an entry with the present time in UTC; further lines of it are indented.

    Args:
        settings: where the jobs folder is.
        run_id: name of the job.
        text: one or more lines.
    """
    path = log_path(settings, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    moment = datetime.datetime.now(datetime.UTC).strftime(_MOMENT)
    first, *rest = text.strip().split("\n")
    lines = [f"{moment}  {first}", *(f"    {line}" for line in rest)]
    with path.open("a", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")


def read_log(settings: Settings, run_id: str) -> str:
    """The newest lines of a job's log; empty before the worker has said anything."""
    entries: list[list[str]] = []
    for path in _parts(settings, run_id):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # removed since it was listed
            continue
        own: list[list[str]] = []
        for line in text.splitlines():
            if own and line.startswith("    "):
                own[-1].append(line)
            else:
                own.append([line])
        entries += own
    # They begin with their times; entries of one second stay as they were.
    entries.sort(key=lambda entry: entry[0][:_MOMENT_LENGTH])
    lines = [line for entry in entries for line in entry]
    return "\n".join(lines[-MOST_LINES:])


def remove_log(settings: Settings, run_id: str) -> None:
    """Remove a job's log, if there is one, here and in the shared place."""
    for path in _parts(settings, run_id):
        try:
            share_deletion(settings, "logs", path.stem)
        except SharedAway as fault:  # a log of no job is seen by nobody
            logger.warning("the log of %s stays in the shared place: %s", run_id, fault.what)
        path.unlink(missing_ok=True)

"""What the worker said about each job: one small text file a job, stages and faults with times."""

from __future__ import annotations

import datetime
from pathlib import Path

from backend.names import file_in
from backend.settings import Settings

# A log is read by a page: the newest lines of a job that was resumed many times are enough.
MOST_LINES = 300


def log_path(settings: Settings, run_id: str) -> Path:
    """Where the log of a job is, or would be."""
    return file_in(settings.jobs / "logs", "job", run_id, ".log")


def add_to_log(settings: Settings, run_id: str, text: str) -> None:
    """Append an entry with the present time in UTC; further lines of it are indented.

    Args:
        settings: where the jobs folder is.
        run_id: name of the job.
        text: one or more lines.
    """
    path = log_path(settings, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    first, *rest = text.strip().split("\n")
    lines = [f"{moment}  {first}", *(f"    {line}" for line in rest)]
    with path.open("a", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")


def read_log(settings: Settings, run_id: str) -> str:
    """The newest lines of a job's log; empty before the worker has said anything."""
    path = log_path(settings, run_id)
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-MOST_LINES:])


def remove_log(settings: Settings, run_id: str) -> None:
    """Remove a job's log, if there is one."""
    log_path(settings, run_id).unlink(missing_ok=True)

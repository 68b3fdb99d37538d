"""What goes into a job's log: stages, warnings of the libraries, and the fault that ended it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable

from backend.errors import SteerscopeError
from backend.jobs.logs import add_to_log
from backend.settings import Settings
from backend.types import Progress

# Both keep their records from the root logger or may do so.
_LOGGERS = ("steerscope", "transformers")


class JobLog(logging.Handler):
    """Copies warnings into the log of the job at work.

    Args:
        settings: where the jobs folder is.
        run_id: tells which job is at work; None between jobs, when nothing is copied.
    """

    def __init__(self, settings: Settings, run_id: Callable[[], str | None]) -> None:
        super().__init__(logging.WARNING)
        self._settings = settings
        self._run_id = run_id
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Copy one record."""
        run_id = self._run_id()
        if run_id is not None:
            level = record.levelname.lower()
            add_to_log(self._settings, run_id, f"{level}: {record.getMessage()}")

    def close(self) -> None:
        """Stop copying."""
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
        super().close()


def stage_text(progress: Progress) -> str:
    """A stage without its share done, which changes all the time."""
    stage = re.sub(r" \(\d+%\)$", "", progress.stage)
    if progress.batches_total and progress.stage == "extracting":
        return f"{stage} {progress.total} texts in {progress.batches_total} batches"
    return stage


def fault_text(fault: BaseException) -> str:
    """Why a job failed: the three sentences of a fault that can be mended, else the traceback."""
    if isinstance(fault, SteerscopeError):
        return f"failed: {fault.what}\nexpected: {fault.expected}\nremedy: {fault.remedy}"
    lines = "".join(traceback.format_exception(fault)).rstrip()
    return f"internal error:\n{lines}"

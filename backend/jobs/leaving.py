"""How a job is left that has neither finished nor failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dbos import error as dbos_error

from backend.errors import JobError
from backend.jobs.job_log import fault_text

# A cancel shows between steps as the first, and within one as the second: the job is not ours now.
STOPPED = (dbos_error.DBOSWorkflowCancelledError, dbos_error.DBOSWorkflowConflictIDError)
STOPPED_TEXT = "cancelled, or taken over by another worker; the batches so far are kept"
PAUSED_TEXT = "paused: this worker stops; the job goes on from its last batch when a worker starts"


class Left(BaseException):
    """A job is left as it is in the queue: cancelled there, or to be gone on with by the next
    worker. No ``Exception``, as the queue would write down that the job failed.

    Args:
        why: for the job's log.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@contextmanager
def end_told(
    what: str, remedy: str, log: Callable[[str], None], stopping: Callable[[], bool]
) -> Iterator[None]:
    """Around the work of a job: how it ended, if not by finishing, is logged and passed on.

    Args:
        what: job or task, as a sentence calls it.
        remedy: for a fault that libraries raise as no ``Exception``.
        log: adds to the job's log.
        stopping: whether this worker is to end.

    Raises:
        Left: this worker is to end; the job goes on elsewhere or later.
        JobError: the job was ended by what is no ``Exception``.
    """
    try:
        yield
    except BaseException as fault:
        why = why_left(fault, stopping())
        log(fault_text(fault) if why is None else why)
        if why is PAUSED_TEXT:
            raise Left(why) from fault
        if why is None and not isinstance(fault, Exception):
            # The queue writes down the end of a job only if it is an Exception.
            raise JobError(
                f"The {what} was ended by {type(fault).__name__}: {fault}",
                expected="libraries that raise errors.",
                remedy=remedy,
            ) from fault
        raise


def why_left(fault: BaseException, stopping: bool) -> str | None:
    """What to log where a job ends that has not failed; None where it has.

    Args:
        fault: what ended it.
        stopping: whether this worker is to end.
    """
    if isinstance(fault, Left):
        return fault.why
    # What a step meets while the queue is closed under it is no fault of the job.
    if stopping:
        return PAUSED_TEXT
    return STOPPED_TEXT if isinstance(fault, STOPPED) else None

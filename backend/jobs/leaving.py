"""How a job is left that has neither finished nor failed."""

from __future__ import annotations

from dbos import error as dbos_error

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

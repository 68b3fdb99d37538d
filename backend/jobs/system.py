"""Names and set-up that the queue's two sides agree on."""

from __future__ import annotations

import fcntl
import logging

from dbos import DBOS

from backend.jobs.workers import WorkerTable
from backend.settings import Settings
from backend.store.locks import require_locks
from backend.store.room import writing

QUEUE = "extractions"
WORKFLOW = "extract"
PROGRESS = "progress"
# What is no extraction: its workflow, its stream of pieces, and the lanes beside that of the
# extractions. A worker does one job of each lane at a time, so that a conversation does not wait
# behind an extraction.
TASK = "task"
PIECES = "pieces"
CONVERSATIONS, ASKING = "conversations", "asking"
LANES = (CONVERSATIONS, ASKING)
# Where a queue has a database of its own, no worker takes jobs from these lanes: each moves what it
# can do, one job at a time, into a lane that only it listens to (dispatch.py).
OWN = "@"
# Jobs in flight are stranded when this changes: version the payload instead.
APPLICATION_VERSION = "steerscope-1"


def migrate(settings: Settings) -> None:
    """Create or migrate the queue's tables; safe to call from several processes at once.

    Raises:
        NoRoom: the jobs folder may not be written to.
        JobError: its file system cannot lock, or the queue's database cannot be reached.
    """
    with writing(settings.jobs):
        settings.make_folders()
        require_locks(settings)
    logging.getLogger("dbos").setLevel(logging.WARNING)
    with (settings.jobs / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        workers = WorkerTable(settings)
        try:
            workers.make()  # first, as it says in a sentence that the database is away
            DBOS.migrate(settings.jobs_url)
        finally:
            workers.close()

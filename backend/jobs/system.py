"""Names and set-up that the queue's two sides agree on."""

from __future__ import annotations

import fcntl
import logging

from dbos import DBOS

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
# Jobs in flight are stranded when this changes: version the payload instead.
APPLICATION_VERSION = "steerscope-1"


def migrate(settings: Settings) -> None:
    """Create or migrate the queue's tables; safe to call from several processes at once.

    Raises:
        NoRoom: the jobs folder may not be written to.
        JobError: its file system cannot lock.
    """
    with writing(settings.jobs):
        settings.make_folders()
        require_locks(settings)
    logging.getLogger("dbos").setLevel(logging.WARNING)
    with (settings.jobs / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        DBOS.migrate(settings.jobs_url)

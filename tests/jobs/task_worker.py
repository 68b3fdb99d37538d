"""A worker with kinds of tasks that only tests have. Run as a module, with the cache's path."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from backend.errors import JobError
from backend.jobs.bringing import bring
from backend.jobs.kind import JobKind
from backend.jobs.kinds import KINDS
from backend.jobs.system import ASKING, CONVERSATIONS
from backend.jobs.worker import serve
from backend.settings import Settings
from backend.types import Progress


def _check(settings, values):
    if values.get("upto", 0) < 0:
        raise JobError("A negative count.", expected="0 or more.", remedy="leave the sign out.")


def _bring(settings, values):
    """Asks the shared place for a run, if there is one."""
    bring(settings, "runs", ["run-1"])


def _count(settings, values, tell):
    """Counts; waits at ``hold`` until a file is there, dies once at ``die``, fails at ``fail``."""
    for number in range(values["upto"]):
        tell.piece(number)
        tell.progress(Progress("counting", number, values["upto"]))
        if number == values.get("die"):
            sign = settings.cache / "died"
            if not sign.exists():
                sign.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if number == values.get("fail"):
            raise JobError("It went wrong.", expected="right.", remedy="try again.")
        while number == values.get("hold") and not (settings.cache / "go").exists():
            tell.check()
            time.sleep(0.02)
    return {"counted": values["upto"]}


COUNT = JobKind("count", CONVERSATIONS, _check, _bring, _count)
OTHER = JobKind("other", ASKING, _check, _bring, _count)
KINDS.update({kind.name: kind for kind in (COUNT, OTHER)})

if __name__ == "__main__":
    serve(Settings(cache=Path(sys.argv[1])), with_sample=False)

"""A process that is asked to stop hears it, wherever it is and however often it is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The lock of the event is held, as by whoever waits for it for a moment, while signals arrive.
CODE = """
import signal
from backend.jobs.stopping import stopped_by_signals
stop = stopped_by_signals()
assert not stop.wait(0.05)
with stop._cond:
    for _ in range(TIMES):
        signal.raise_signal(signal.SIGNAL)
print(stop.wait(5))
"""


@pytest.mark.parametrize(("number", "times"), [("SIGTERM", 1), ("SIGINT", 2), ("SIGTERM", 100_000)])
def test_signals_within_the_lock_of_the_event_stop_the_process(number, times):
    code = CODE.replace("TIMES", str(times)).replace("SIGNAL", number)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True"]

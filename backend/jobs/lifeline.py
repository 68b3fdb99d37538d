"""Ends a process with the one that started it, however that one ended.

Who starts it holds the other end of its standard input and writes nothing there. Whatever ends the
starter, kill -9 too, closes that end, and the read here returns.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

GRACE_SECONDS = 10.0


def start_held(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one; it must call :func:`end_with_starter`.

    Args:
        command: what to run.
        folder: where.
        environment: its environment.
    """
    # A group of its own: Ctrl-C reaches the starter alone, which then stops its processes in order.
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, start_new_session=True
    )


def end_with_starter() -> None:
    """End this process and its group when its starter is gone: asked first, then made to."""
    threading.Thread(target=_end_after, args=(sys.stdin.fileno(),), daemon=True).start()


def _end_after(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)

"""Ends a process with the one that started it, however that one ended.

Who starts it holds the other end of its standard input and writes nothing there. Whatever ends the
starter, kill -9 too, closes that end, and the read here returns.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

GRACE_SECONDS = 10.0


def start_held(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    handed: Sequence[int] = (),
    says: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one; it must call :func:`end_with_starter`.

    Args:
        command: what to run.
        folder: where.
        environment: its environment.
        handed: open files that it gets, by their numbers here.
        says: where its output and errors go, as subprocess names it; None for where this one's go.
    """
    # A group of its own: Ctrl-C reaches the starter alone, which then stops its processes in order.
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=says,
        stderr=None if says is None else subprocess.STDOUT,
        pass_fds=handed,
        start_new_session=True,
    )


def start_connected(
    command: list[str], folder: Path, environment: Mapping[str, str], *, says: int | None = None
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a process as :func:`start_held` does, with a channel to it.

    Args:
        command: what to run; the number of its end of the channel becomes its last argument.
        folder: where.
        environment: its environment.
        says: as for :func:`start_held`.
    """
    here, there = socket.socketpair()
    with there:
        number = there.fileno()
        process = start_held(
            [*command, str(number)], folder, environment, handed=(number,), says=says
        )
    return process, Connection(here.detach())


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a held process and all that it started, such as a download or a conversion.

    Args:
        process: from :func:`start_held`.
        number: of the signal.
    """
    with contextlib.suppress(ProcessLookupError):  # all have ended by themselves
        os.killpg(process.pid, number)


def group_lives(process: subprocess.Popen[bytes]) -> bool:
    """Whether a held process, or one that it started, has not ended. Args: the process."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_with_starter() -> None:
    """End this process and its group when its starter is gone: asked first, then made to."""
    threading.Thread(target=_end_after, args=(sys.stdin.fileno(),), daemon=True).start()


def _end_after(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)

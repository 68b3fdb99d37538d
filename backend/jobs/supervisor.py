"""Keeps the dashboard and one worker running, and stops both with itself."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from backend.errors import SteerscopeError
from backend.settings import Settings

logger = logging.getLogger("steerscope")

HOST = "127.0.0.1"
GRACE_SECONDS = 10.0
# A worker that cannot live is restarted ever more slowly, so its message stays readable.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
HEALTHY_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parent.parent.parent


def supervise(settings: Settings, *, port: int, with_sample: bool) -> int:
    """Run the dashboard and a worker until SIGINT or SIGTERM, or until the dashboard ends.

    A worker that dies is started again and goes on with its job.

    Args:
        settings: where the store is.
        port: of the dashboard, on 127.0.0.1.
        with_sample: passed on to the worker.

    Returns:
        Exit status: 0 after a signal, else the dashboard's.

    Raises:
        SteerscopeError: the port is taken.
    """
    _require_free(port)
    settings.make_folders()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker_command = [sys.executable, "-m", "backend", "worker"]
    if not with_sample:
        worker_command.append("--no-sample")
    dashboard = _start(
        [
            sys.executable,
            "-m",
            "pages.shared.launch",
            "--server.port",
            str(port),
            "--server.address",
            HOST,
        ],
        settings,
    )
    worker = _start(worker_command, settings)
    logger.info("dashboard on http://%s:%d  (Ctrl-C stops it)", HOST, port)
    try:
        pause, started = FIRST_PAUSE, time.monotonic()
        while not stop.wait(0.2):
            if dashboard.poll() is not None:
                logger.error("the dashboard ended with status %d", dashboard.returncode)
                return dashboard.returncode or 1
            if worker.poll() is None:
                continue
            if time.monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            logger.warning(
                "the worker ended with status %d; again in %.1f s", worker.returncode, pause
            )
            if stop.wait(pause):
                break
            pause, started = min(2 * pause, LONGEST_PAUSE), time.monotonic()
            worker = _start(worker_command, settings)
        return 0
    finally:
        _stop([dashboard, worker])


def _start(command: list[str], settings: Settings) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches the supervisor alone, which then stops both in order.
    return subprocess.Popen(
        command,
        cwd=_ROOT,
        env=os.environ | {"STEERSCOPE_CACHE": str(settings.cache)},
        start_new_session=True,
    )


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the whole group, so that a download or conversion it started ends too."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it has ended by itself


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            raise SteerscopeError(
                f"Port {port} is taken.",
                expected=f"a free port on {HOST}.",
                remedy="stop what uses it, or choose another: make run PORT=8502.",
            ) from fault

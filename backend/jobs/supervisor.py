"""Keeps the dashboard and one worker running, and stops both with itself."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Place:
    """Where the dashboard answers.

    Attributes:
        port: TCP port.
        address: IP address it listens on.
        base_path: first part of every address behind a reverse proxy, such as ``steerscope``.
        insecure: whether an address that others reach is meant, though nobody is asked who they
            are.
    """

    port: int
    address: str = HOST
    base_path: str = ""
    insecure: bool = False

    def hosts(self, settings: Settings) -> tuple[str, ...]:
        """The names that it answers to: this machine's own, its address and those allowed by
        setting."""
        anywhere = ipaddress.ip_address(self.address).is_unspecified
        return ("localhost", HOST, *(() if anywhere else (self.address,)), *settings.hosts)


def check_place(place: Place) -> None:
    """Refuse a place that would let others in unmeant.

    Raises:
        SteerscopeError: the address is none, or not loopback without ``insecure``, or the base
            path cannot be part of an address.
    """
    try:
        loopback = ipaddress.ip_address(place.address).is_loopback
    except ValueError as fault:
        raise SteerscopeError(
            f"{place.address!r} is no IP address.",
            expected="an address of this machine, such as 127.0.0.1.",
            remedy="give --address such a number; names are allowed by STEERSCOPE_HOSTS.",
        ) from fault
    if not loopback and not place.insecure:
        raise SteerscopeError(
            f"On {place.address}, whoever reaches the port can start, change and delete "
            "everything: nobody is asked who they are.",
            expected="a loopback address such as 127.0.0.1, reached by an SSH tunnel or through a "
            "reverse proxy that asks for a password.",
            remedy="leave --address out, or add --insecure if everyone in reach may do all this.",
        )
    if not re.fullmatch(r"(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?", place.base_path):
        raise SteerscopeError(
            f"{place.base_path!r} cannot begin the dashboard's addresses.",
            expected="letters, digits, dashes and underscores, such as tools/steerscope.",
            remedy="write --base-path without slashes at its ends.",
        )


def supervise(settings: Settings, place: Place, *, with_sample: bool) -> int:
    """Run the dashboard and a worker until SIGINT or SIGTERM, or until the dashboard ends.

    A worker that dies is started again and goes on with its job.

    Args:
        settings: where the store is.
        place: where the dashboard answers.
        with_sample: passed on to the worker.

    Returns:
        Exit status: 0 after a signal, else the dashboard's.

    Raises:
        SteerscopeError: the port is taken, or the place is refused by :func:`check_place`.
    """
    check_place(place)
    _require_free(place)
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
            "--port",
            str(place.port),
            "--address",
            place.address,
            "--base-path",
            place.base_path,
            *(part for name in place.hosts(settings) for part in ("--host", name)),
        ],
        settings,
    )
    worker = _start(worker_command, settings)
    logger.info(
        "dashboard on http://%s:%d/%s  (Ctrl-C stops it)",
        place.address,
        place.port,
        place.base_path,
    )
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


def _require_free(place: Place) -> None:
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.address, place.port))
        except OSError as fault:
            raise SteerscopeError(
                f"Port {place.port} is taken or {place.address} is not of this machine.",
                expected=f"a free port on {place.address}.",
                remedy="stop what uses it, or choose another: make run PORT=8502.",
            ) from fault

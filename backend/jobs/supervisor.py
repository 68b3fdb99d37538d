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
import time
from dataclasses import dataclass
from pathlib import Path

from backend.errors import SteerscopeError
from backend.jobs.exchanging import Exchanging
from backend.jobs.stopping import stopped_by_signals
from backend.lifeline import GRACE_SECONDS, signal_group, start_held
from backend.settings import LOG_IN_VARIABLES, Settings, folders_text
from backend.store.locks import require_locks
from backend.store.room import writing

logger = logging.getLogger("steerscope")

HOST = "127.0.0.1"
# A worker that cannot live is restarted ever more slowly, so its message stays readable.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
HEALTHY_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Address:
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
        own = () if anywhere else (self.address,)
        known = () if settings.log_in is None else (settings.log_in.host,)
        return ("localhost", HOST, *own, *known, *settings.hosts)


def check_place(place: Address, settings: Settings) -> None:
    """Refuse a place that would let others in unmeant.

    Args:
        place: where the dashboard is to answer.
        settings: whether users log in.

    Raises:
        SteerscopeError: the address is none, or not loopback without ``insecure`` or log-in, or the
            base path cannot be part of an address, or is not that of the address to log in at.
    """
    try:
        loopback = ipaddress.ip_address(place.address).is_loopback
    except ValueError as fault:
        raise SteerscopeError(
            f"{place.address!r} is no IP address.",
            expected="an address of this machine, such as 127.0.0.1.",
            remedy="give --address such a number; names are allowed by STEERSCOPE_HOSTS.",
        ) from fault
    if not loopback and not place.insecure and settings.log_in is None:
        raise SteerscopeError(
            f"On {place.address}, whoever reaches the port can start, change and delete "
            "everything: nobody is asked who they are.",
            expected="a loopback address such as 127.0.0.1, reached by an SSH tunnel or through a "
            "reverse proxy that asks for a password.",
            remedy="leave --address out, set up log-in (docs/trust.md), or add --insecure if "
            "everyone in reach may do all this.",
        )
    if not re.fullmatch(r"(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?", place.base_path):
        raise SteerscopeError(
            f"{place.base_path!r} cannot begin the dashboard's addresses.",
            expected="letters, digits, dashes and underscores, such as tools/steerscope.",
            remedy="write --base-path without slashes at its ends.",
        )
    if settings.log_in is not None and settings.log_in.base_path != place.base_path:
        raise SteerscopeError(
            f"Users are sent back from log-in to {settings.log_in.url}, which is not below the "
            f"base path {place.base_path!r}.",
            expected="the same path in both.",
            remedy=f"add --base-path {settings.log_in.base_path!r}, or change STEERSCOPE_URL.",
        )


def supervise(settings: Settings, place: Address, *, with_sample: bool) -> int:
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
        NoRoom: the cache folder may not be written to.
        JobError: its file system cannot lock.
    """
    check_place(place, settings)
    _require_free(place)
    with writing(settings.jobs):
        settings.make_folders()
        require_locks(settings)
    stop = stopped_by_signals()
    Exchanging(settings, stop).start()
    worker_command = [sys.executable, "-m", "backend", "worker", "--supervised"]
    if not with_sample:
        worker_command.append("--no-sample")
    environment = _environment(place, settings)
    # The worker takes jobs of those who were let in, and has no need of the secrets.
    of_worker = {name: environment[name] for name in environment if name not in LOG_IN_VARIABLES}
    dashboard = start_held(
        [
            sys.executable,
            "-m",
            "pages.shared.launch",
            "--supervised",
            "--port",
            str(place.port),
            "--address",
            place.address,
            "--base-path",
            place.base_path,
            *(part for name in place.hosts(settings) for part in ("--host", name)),
        ],
        _ROOT,
        environment,
    )
    # A read-only dashboard has no worker.
    worker = None if settings.read_only else start_held(worker_command, _ROOT, of_worker)
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
            if worker is None or worker.poll() is None:
                continue
            signal_group(worker, signal.SIGKILL)  # what it had started outlives it otherwise
            if time.monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            logger.warning(
                "the worker ended with status %d; again in %.1f s", worker.returncode, pause
            )
            if stop.wait(pause):
                break
            pause, started = min(2 * pause, LONGEST_PAUSE), time.monotonic()
            worker = start_held(worker_command, _ROOT, of_worker)
        return 0
    finally:
        _stop([process for process in (dashboard, worker) if process is not None])


def _environment(place: Address, settings: Settings) -> dict[str, str]:
    """Of the dashboard: this process's, with what follows from the settings and the place."""
    environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
    folders, endpoints = settings.folders, settings.endpoints
    # Who reaches it from elsewhere chooses neither among this machine's files nor where its key is
    # sent, unless told so.
    if not ipaddress.ip_address(place.address).is_loopback:
        folders = () if folders is None else folders
        endpoints = () if endpoints is None else endpoints
    if folders is not None:
        environment["STEERSCOPE_FOLDERS"] = folders_text(folders)
    # The worker cannot tell by itself whether others log in.
    if endpoints is not None:
        environment["STEERSCOPE_ENDPOINTS"] = " ".join(endpoints)
    return environment


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)
            process.wait()


def _require_free(place: Address) -> None:
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

"""``python -m backend serve`` in a test that kills parts of it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Literal

from backend.settings import Settings

Part = Literal["supervisor", "dashboard", "worker"]
PARTS: tuple[Part, ...] = ("supervisor", "dashboard", "worker")
ROOT = Path(__file__).resolve().parents[2]


def wait_for(what, seconds=90.0):
    """What a function returns, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def set_age(settings: Settings, worker: str, seconds: float) -> None:
    """Make a worker's last sign of life so old, by the clock of the queue in the cache."""
    with closing(sqlite3.connect(settings.jobs / "queue.sqlite")) as queue, queue:
        now = "(julianday('now') - 2440587.5) * 86400.0"
        changed = queue.execute(
            f"UPDATE workers SET beat = {now} - ? WHERE name = ?", (seconds, worker)
        )
        assert changed.rowcount == 1


class Served:
    """The dashboard and a worker on a store, started at once; their output is in serve.log."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._settings = settings
        self.start()

    def start(self) -> None:
        """Start it, anew after it ended."""
        command = [sys.executable, "-m", "backend", "serve", "--no-sample", "--port"]
        with (self._settings.cache / "serve.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, str(self._port)],
                cwd=ROOT,
                env=os.environ | {"STEERSCOPE_CACHE": str(self._settings.cache)},
                stdout=log,
                stderr=log,
            )

    def pid(self, part: Part) -> int:
        """Process id of a part, which is waited for."""
        if part == "supervisor":
            return self.process.pid
        word = b"pages.shared.launch" if part == "dashboard" else b"backend\0worker"
        return wait_for(lambda: self._child(word))

    def _child(self, word: bytes) -> int | None:
        for number in self.children():
            try:
                if word in Path(f"/proc/{number}/cmdline").read_bytes():
                    return number
            except OSError:  # it has ended
                continue
        return None

    def children(self) -> list[int]:
        """Process ids of what the supervisor has started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()] if path.exists() else []

    def kill(self, part: Part) -> None:
        """End a part by kill -9, and what goes with it; whatever has ended by then is started."""
        children = self.children()
        os.kill(self.pid(part), signal.SIGKILL)
        if part == "worker":
            return  # the supervisor starts another
        self.process.wait(60)
        wait_for(lambda: not any(alive(child) for child in children), 60)
        self.start()

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(60)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

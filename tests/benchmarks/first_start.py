"""From a fresh clone without an environment to the filled scorecard, in seconds.

Clones this repository's last commit into an empty folder and runs ``make run`` there: packages
are installed, SmolLM2 is fetched and converted, the sample is extracted and derived. What the
package manager keeps of earlier downloads is used; ``--cold`` uses none of it. Run with
``make bench-first-start``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 1800.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether the dashboard serves its page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def seconds_until(
    done: Callable[[], bool], started: float, server: subprocess.Popen[bytes]
) -> float:
    """Seconds since the start when something is done.

    Raises:
        RuntimeError: the server stopped, or it takes longer than half an hour.
    """
    while not done():
        if server.poll() is not None:
            raise RuntimeError(f"make run stopped with status {server.returncode}")
        if time.perf_counter() - started > LONGEST:
            raise RuntimeError(f"not done after {LONGEST:.0f} s")
        time.sleep(0.05)
    return round(time.perf_counter() - started, 1)


def measure(cold: bool) -> dict[str, float]:
    """Seconds from the start of ``make run`` to each milestone."""
    with tempfile.TemporaryDirectory() as name:
        tree, port = Path(name) / "tree", free_port()
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(tree)], check=True)
        environment = os.environ.copy()
        if cold:
            environment |= {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
        started = time.perf_counter()
        server = subprocess.Popen(
            ["make", "run", f"PORT={port}"],
            cwd=tree,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        milestones: dict[str, Callable[[], bool]] = {
            "installed_s": lambda: (tree / ".venv" / "run.done").exists(),
            "page_s": lambda: answers(port),
            "converted_s": lambda: any((tree / "cache" / "models").glob("gguf-*/provenance.json")),
            "first_start_s": lambda: any((tree / "cache" / "runs").glob("sample-*.duckdb")),
        }
        try:
            return {
                milestone: seconds_until(done, started, server)
                for milestone, done in milestones.items()
            }
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cold", action="store_true", help="keep no downloads of earlier times")
    found = measure(parser.parse_args().cold)
    for milestone, seconds in found.items():
        print(f"{milestone:15}{seconds:7.1f}")
    print(json.dumps(found))

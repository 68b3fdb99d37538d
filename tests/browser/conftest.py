"""Headless Chromium, and the whole application started as ``make run`` starts it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; without one the tests are skipped, and under CI they fail."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "no chromium on the PATH: install it (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        launched: Browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@dataclass
class Application:
    """The running dashboard and worker."""

    url: str
    cache: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def application(tmp_path_factory, smollm2):
    """``python -m backend serve`` on an empty store that only knows SmolLM2's weights."""
    cache = tmp_path_factory.mktemp("cache")
    models = cache / "models"
    models.mkdir()
    for item in (ROOT / "cache" / "models").iterdir():
        (models / item.name).symlink_to(item)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (cache / "serve.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", "serve", "--port", str(port)],
        cwd=ROOT, env=os.environ | {"STEERSCOPE_CACHE": str(cache)}, stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    _wait_until_up(url)
    yield Application(url, cache, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert str(cache) not in _command_lines()


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not come up")


def _command_lines() -> str:
    """Environments of all processes of this user that are still alive, to find leftovers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        if path.parent.name == str(os.getpid()):
            continue
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue  # it ended, or belongs to someone else
    return "\n".join(found)

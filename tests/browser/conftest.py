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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from backend.settings import Settings
from tests.support.phantom_store import publish_small_preset
from tests.support.runs import publish_run
from tests.support.studies import small_study

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


def _as_a_user(cache: Path) -> dict[str, str]:
    """The environment without the limits that keep the tests' own processes to one thread."""
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in limits}
    return kept | {"STEERSCOPE_CACHE": str(cache)}


@contextmanager
def serving(
    cache: Path,
    *options: str,
    variables: Callable[[str], Mapping[str, str]] = lambda _: {},
    program: Path = ROOT,
) -> Iterator[Application]:
    """``python -m backend serve`` on a store that knows SmolLM2's weights.

    Args:
        cache: the store.
        options: of ``serve``.
        variables: of the environment, from the dashboard's address.
        program: folder that it is started in.
    """
    models = cache / "models"
    models.mkdir(parents=True, exist_ok=True)
    for item in (ROOT / "cache" / "models").iterdir():
        if not (models / item.name).exists():
            (models / item.name).symlink_to(item)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (cache / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve", "--port", str(port), *options],
            cwd=program,
            env=_as_a_user(cache) | variables(url),
            stdout=log,
            stderr=log,
        )
    base = options[options.index("--base-path") + 1] if "--base-path" in options else ""
    _wait_until_up(f"{url}/{base}".rstrip("/"), process)
    yield Application(url, cache, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert str(cache) not in _command_lines()


@pytest.fixture(scope="module")
def application(tmp_path_factory, smollm2):
    """The application on an empty store, as on a first start."""
    with serving(tmp_path_factory.mktemp("cache")) as started:
        yield started


@pytest.fixture(scope="package")
def stocked(tmp_path_factory, smollm2):
    """The application on a store with the published study's phantom and a run by SmolLM2, for
    tests that only look: what it has computed for one is there for the next, as in use."""
    with _stocked(tmp_path_factory.mktemp("stocked")) as started:
        yield started


@pytest.fixture(scope="module")
def own_stocked(tmp_path_factory, smollm2):
    """The same for the tests of one file, which may change the store."""
    with _stocked(tmp_path_factory.mktemp("own-stocked")) as started:
        yield started


@contextmanager
def _stocked(cache: Path) -> Iterator[Application]:
    settings = Settings(cache=cache)
    publish_small_preset(settings)
    settings.models.rmdir()
    settings.models.symlink_to(ROOT / "cache" / "models")
    publish_run(settings, small_study(), Path("smollm2-135m-instruct"), "before", layers=(2, 3))
    with serving(cache, "--no-sample") as started:
        yield started


@pytest.fixture
def watched(browser):
    """Opens pages of clean profiles that fail on console errors and on foreign requests."""
    contexts, faults = [], []

    def opened(url: str, **options: object) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1440, "height": 1000}} | options))
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        host = "/".join(url.split("/")[:3])
        page.on("console", lambda message: faults.extend(_console_fault(message)))
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((host, "data:", "blob:"))
                else faults.append(f"request to {request.url}")
            ),
        )
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _console_fault(message: ConsoleMessage) -> list[str]:
    # Streamlit asks a page's own path for two endpoints before it falls back to the root.
    own = "/_stcore/" in message.location.get("url", "")
    return [message.text] if message.type == "error" and not own else []


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    """Ends at once where the application has ended; a slow machine is given time."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
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

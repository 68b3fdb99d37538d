"""Many users at once: sessions that move the threshold while an extraction runs, then page loads.

The application is started as ``serve`` starts it. One session alone is measured first, and one
extraction alone, so that every figure under load has its own baseline from the same run. Then all
sessions move the lab's slider, each in a browser profile of its own, while extractions follow one
another; at the end pages are loaded one after another, to see whether the dashboard's memory grows.
Run with ``make bench-load``; the last line is one JSON object. By default it takes an hour
on two cores that the browsers share; ``--sessions 4 --seconds 15 --loads 20 --layers 2-3 --small``
takes a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page, WebSocket, async_playwright
from playwright.async_api import Error as BrowserError
from streamlit.proto.BackMsg_pb2 import BackMsg

from backend.jobs.queue import JobQueue
from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.runs.requests import parse_layers
from backend.settings import DEFAULT_LAYERS, DEFAULT_MODEL, Settings
from backend.store.catalog import run_list
from backend.studies.imports import keep_study
from backend.studies.sample import sample_path
from backend.types import ExtractionRequest
from tests.benchmarks.ui import FLAGS, MARK, OPEN, QUIET, RESTED, WATCH, filled_store

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"models": 2, "traits": 3, "layers": 3, "scenarios": 60, "prompts": 6, "width": 96}
ALONE_MOVES = 15
# A user looks at what a move has changed before the next one.
THINK_SECONDS = 1.0
PATIENCE_MS = 60_000
TABS = 2
SLIDER = "document.querySelector('input[type=range]')?.value"


@dataclass
class Seen:
    """What has been measured so far.

    Attributes:
        moves: milliseconds from a key press to the last change it causes.
        loads: milliseconds from navigation to a page's title and first chart.
        errors: what went wrong, in words.
    """

    moves: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, int]]:
    """The dashboard and a worker on a free port; gives the address and the dashboard's process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "backend", "serve", "--no-sample", "--port", str(port)]
    log = settings.cache / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"STEERSCOPE_CACHE": str(settings.cache)},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url, _dashboard(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _dashboard(supervisor: int) -> int:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return next(
        int(child)
        for child in children
        if b"pages.shared.launch" in Path(f"/proc/{child}/cmdline").read_bytes()
    )


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]


@dataclass
class Wire:
    """What went over a page's connection since the last move.

    Attributes:
        asked: frames to the server.
        answered: number of frames from it.
    """

    asked: list[bytes] = field(default_factory=list)
    answered: int = 0

    def listen(self, page: Page) -> None:
        """Keep from now on what goes over the connection of a page."""

        def ask(payload: bytes | str) -> None:
            self.asked.append(payload if isinstance(payload, bytes) else payload.encode())

        def answer(_: object) -> None:
            self.answered += 1

        def listen_to(socket: WebSocket) -> None:
            socket.on("framesent", ask)
            socket.on("framereceived", answer)

        page.on("websocket", listen_to)

    def clear(self) -> None:
        """Begin anew."""
        self.asked, self.answered = [], 0

    def says(self, value: float) -> str:
        """What was asked for since. Args: value: of the slider."""
        held = 0
        for frame in self.asked:
            states = BackMsg.FromString(frame).rerun_script.widget_states.widgets
            values = [one for state in states for one in state.double_array_value.data]
            held += any(abs(one - value) < 1e-9 for one in values)
        return (
            f"{len(self.asked)} requests since the press, {held} of them with the slider's value; "
            f"{self.answered} answers"
        )


async def opened(browser: Browser, url: str, seen: Seen) -> tuple[Page, Wire]:
    """The lab in a profile of its own, with its slider drawn."""
    context = await browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(WATCH)
    page = await context.new_page()
    wire = Wire()
    wire.listen(page)
    page.on("pageerror", lambda fault: seen.errors.append(f"page: {fault}"))
    await page.goto(url)
    await page.wait_for_selector(".st-key-axis .main-svg")
    return page, wire


async def move(page: Page, wire: Wire, key: str) -> float:
    """Milliseconds from a key press on the slider to the last change it causes."""
    await page.wait_for_function(RESTED, polling=100)
    before = json.dumps(await page.evaluate(MARK))
    await page.locator("input[type=range]").first.focus()
    wire.clear()
    await page.keyboard.press(key)
    changed = f"JSON.stringify({MARK}) !== {json.dumps(before)}"
    await page.wait_for_function(QUIET, arg=changed, polling=100)
    return float(await page.evaluate("window.changed - window.pressed"))


async def session(page: Page, wire: Wire, seen: Seen, done: asyncio.Event) -> None:
    """Move the slider there and back until all are done."""
    for number in itertools.count():
        if done.is_set():
            return
        try:
            key = "ArrowRight" if number % 40 < 20 else "ArrowLeft"
            seen.moves.append(await move(page, wire, key))
            if await page.locator("[data-testid=stException]").count():
                seen.errors.append("a page shows a fault of the program")
        except BrowserError as fault:
            at = await page.evaluate(SLIDER)
            where = f"slider at {at}, chart at {await page.evaluate(MARK)}; {wire.says(float(at))}"
            seen.errors.append(f"move {number}: {str(fault).splitlines()[0]} ({where})")
        await asyncio.sleep(THINK_SECONDS)


async def job_seconds(queue: JobQueue, request: ExtractionRequest) -> float:
    """Seconds from queueing an extraction to its published run."""
    begun = time.monotonic()
    run_id = queue.enqueue(request)
    while (job := queue.job(run_id)).active:
        await asyncio.sleep(0.2)
    if job.state != "finished":
        raise SystemExit(f"the extraction ended as {job.state}: {job.error}")
    taken = time.monotonic() - begun
    queue.delete_run(run_id)
    return taken


async def load_pages(
    browser: Browser, addresses: Iterator[str], count: int, seen: Seen, pid: int
) -> list[float]:
    """Open pages, some at a time; the dashboard's memory after every tenth of them."""
    memory: list[float] = []

    async def tab() -> None:
        context = await browser.new_context(viewport={"width": 1440, "height": 1000})
        while len(seen.loads) + len(seen.errors) < count:
            page, address = await context.new_page(), next(addresses)
            try:
                await page.goto(address, timeout=PATIENCE_MS)
                shown = await page.wait_for_function(OPEN, polling=50, timeout=PATIENCE_MS)
                seen.loads.append(float(await shown.json_value()))
            except BrowserError as fault:
                seen.errors.append(f"{address}: {str(fault).splitlines()[0]}")
            await page.close()
            if len(seen.loads) >= count * (len(memory) + 1) / 10:
                memory.append(resident_mb(pid))
        await context.close()

    await asyncio.gather(*(tab() for _ in range(TABS)))
    return memory


async def measured(
    options: argparse.Namespace, settings: Settings, study: str
) -> dict[str, object]:
    """All figures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("no chromium on the PATH: install it (Debian: apt install chromium)")
    sample = keep_study(settings, sample_path(), "sample").ref
    request = ExtractionRequest(sample.key, DEFAULT_MODEL, parse_layers(options.layers), fresh=True)
    names = re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text("utf-8"))
    alone, loaded, pages = Seen(), Seen(), Seen()
    queue = JobQueue(settings)
    for job in queue.jobs():  # of a measurement that was broken off
        if job.active:
            queue.cancel(job.run_id)
    with serving(settings) as (url, pid):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            lab = f"{url}/filter_lab?study={study}"
            one = await opened(browser, lab, alone)
            for number in range(ALONE_MOVES):
                taken = await move(*one, "ArrowRight")
                if number >= ALONE_MOVES // 3:  # the first ones warm caches
                    alone.moves.append(taken)
            print("one session measured; one extraction alone", file=sys.stderr)
            await job_seconds(queue, request)  # the model is fetched and torch is there after it
            job_alone = await job_seconds(queue, request)
            print(f"{options.sessions} sessions beside extractions", file=sys.stderr)
            done = asyncio.Event()
            users = [one]
            for _ in range(options.sessions - 1):
                users.append(await opened(browser, lab, loaded))
            moving = [asyncio.create_task(session(*user, loaded, done)) for user in users]
            jobs, begun, start_mb = [], time.monotonic(), resident_mb(pid)
            while not jobs or time.monotonic() - begun < options.seconds:
                jobs.append(await job_seconds(queue, request))
            done.set()
            await asyncio.gather(*moving)
            for page, _ in users:
                await page.context.close()
            sessions_mb = resident_mb(pid)
            with_sessions = session_figures(alone, loaded, job_alone, jobs)
            # So that it is known if the page loads are broken off.
            print(json.dumps(with_sessions), file=sys.stderr)
            told(loaded.errors)
            print(f"{options.loads} page loads", file=sys.stderr)
            addresses = itertools.cycle(
                f"{url}/{'' if name == names[0] else name}?study={study}" for name in names
            )
            memory = await load_pages(browser, addresses, options.loads, pages, pid)
            await browser.close()
    queue.close()
    log = (settings.cache / "serve.log").read_text()
    errors = [*alone.errors, *loaded.errors, *pages.errors]
    errors += ["a traceback in the log"] * log.count("Traceback")
    told(pages.errors)
    load_p50, load_p95 = percentiles(pages.loads)
    return {
        "sessions": options.sessions,
        "errors": len(errors),
        **with_sessions,
        "page_loads": len(pages.loads),
        "load_ms_p50": round(load_p50),
        "load_ms_p95": round(load_p95),
        "memory_mb": [round(size) for size in (start_mb, sessions_mb, *memory)],
        "memory_v_start": round(memory[-1] / start_mb, 2),
        # After a tenth of the loads every page has been opened, and what is kept is kept.
        "memory_last_loads_v_first": round(memory[-1] / memory[0], 2),
    }


def session_figures(
    alone: Seen, loaded: Seen, job_alone: float, jobs: Sequence[float]
) -> dict[str, float]:
    """What the sessions and the extractions beside them took, against each alone.

    Args:
        alone: one session.
        loaded: all of them.
        job_alone: seconds of an extraction without sessions.
        jobs: seconds of each extraction beside them.
    """
    move_p50, move_p95 = percentiles(loaded.moves)
    alone_p50 = statistics.median(alone.moves)
    return {
        "moves": len(loaded.moves),
        "move_errors": len(loaded.errors),
        "redraw_ms_p50": round(move_p50),
        "redraw_ms_p95": round(move_p95),
        "redraw_alone_ms_p50": round(alone_p50),
        "redraw_p50_v_alone": round(move_p50 / alone_p50, 2),
        "redraw_p95_v_alone": round(move_p95 / alone_p50, 2),
        "extraction_alone_s": round(job_alone, 1),
        "extraction_with_sessions_s": round(statistics.median(jobs), 1),
        "extraction_slowdown": round(statistics.median(jobs) / job_alone, 2),
    }


def told(errors: Sequence[str]) -> None:
    """The first errors of a part, on stderr."""
    for line in errors[:10]:
        print(f"error: {line}", file=sys.stderr)


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile; of one time, that time."""
    if len(times) < 2:
        return times[0], times[0]
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def small_store(folder: Path) -> tuple[Settings, str]:
    """A store with a phantom of two models, three traits and three layers; and its study's key."""
    settings = Settings(cache=folder)
    settings.make_folders()
    found = run_list(settings).runs
    if found:
        return settings, found[0].study_key
    ref, _ = publish_phantom(settings, plan_of("small", 7, ["direction_outliers"], **SMALL), print)
    return settings, ref.key


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder of the store; made and kept there")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300.0, help="of sessions (default 300)")
    parser.add_argument("--loads", type=int, default=1000, help="page loads (default 1000)")
    parser.add_argument("--layers", default=DEFAULT_LAYERS, help="of the extraction")
    parser.add_argument("--small", action="store_true", help="a small study on the pages")
    options = parser.parse_args()
    if options.small:
        folder = options.cache or Path(tempfile.gettempdir()) / "steerscope-bench-load-small"
        settings, study = small_store(folder)
    else:
        settings, study = filled_store(options.cache)
    for item in (ROOT / "cache" / "models").glob("*"):
        if not (settings.models / item.name).exists():
            (settings.models / item.name).symlink_to(item)
    print(json.dumps(asyncio.run(measured(options, settings, study))))


if __name__ == "__main__":
    main()

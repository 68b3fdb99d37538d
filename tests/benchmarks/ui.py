"""How long a user waits in the browser: a move of the lab's slider, and opening each page.

A move is measured in the page's own clock, from the key press to the last change of the page it
causes, beside a bare Streamlit page with one slider and one heatmap whose moves take turns with
it. A first visit, by a browser that has kept nothing, is measured beside that page too: kilobytes
over the wire, the first contentful paint and the first chart, at full speed and at 1.5 Mbit/s.
Run with ``python -m tests.benchmarks.ui [--cache DIR]``; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.settings import Settings
from backend.store.catalog import run_list

ROOT = Path(__file__).resolve().parents[2]
MODELS, TRAITS, LAYERS, SCENARIOS, PROMPTS = 3, 8, 12, 500, 20
MOVES, WARM = 40, 4
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Notes when a key was pressed and when the page last changed after it, or after its loading.
WATCH = """
window.pressed = null; window.changed = 0;
addEventListener("keydown", event => {
  if (event.key.startsWith("Arrow")) { window.pressed = event.timeStamp; window.changed = 0; }
}, true);
new MutationObserver(() => { window.changed = performance.now(); })
  .observe(document, {subtree: true, childList: true, characterData: true});
"""
# Done: the script has ended, what was asked for is drawn, and nothing has changed for 0.25 s.
QUIET = """(done) => {
  const app = document.querySelector("[data-testid=stApp]");
  return app?.getAttribute("data-test-script-state") === "notRunning" && window.changed > 0
    && performance.now() - window.changed > 250 && eval(done);
}"""
# Open: the title is there, and a chart, or the script has ended without one.
OPEN = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const drawn = document.querySelector(".js-plotly-plot .main-svg") !== null
    || app?.getAttribute("data-test-script-state") === "notRunning";
  return document.querySelector("h1") !== null && drawn && performance.now();
}"""
CHART = ".js-plotly-plot .main-svg"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
# A slow line: bits a second down and up, and milliseconds there and back.
SLOW = (1_500_000, 750_000, 40)
# The lab fills in intervals 0.45 s after a move; the next move is made after that.
RESTED = """() => document.querySelector(".lab-intervals") !== null
  && !document.querySelector(".lab-intervals").innerText.includes("…")"""
MARK = 'document.querySelector(".st-key-axis .js-plotly-plot")?.data[2].x[0]'
BARE = 'document.querySelector(".js-plotly-plot")?.data[0].z[0][0]'


def filled_store(folder: Path | None) -> tuple[Settings, str]:
    """A store with a phantom of the wanted size, and the key of its study.

    Args:
        folder: where to keep it, by default among the system's temporary files; what is there
            already is used, as it takes minutes to make.
    """
    settings = Settings(cache=folder or Path(tempfile.gettempdir()) / "steerscope-bench-ui")
    settings.make_folders()
    sized: dict[str, int] = {}
    for run in run_list(settings).runs:
        if (len(run.traits), len(run.record.layers)) == (TRAITS, LAYERS) and (
            run.responses == 2 * SCENARIOS and run.prompts == 2 * TRAITS * PROMPTS
        ):
            sized[run.study_key] = sized.get(run.study_key, 0) + 1
    for key, count in sized.items():
        if count >= MODELS:
            return settings, key
    plan = plan_of(
        "bench",
        7,
        ["direction_outliers"],
        models=MODELS,
        traits=TRAITS,
        layers=LAYERS,
        scenarios=SCENARIOS,
        prompts=PROMPTS,
    )
    ref, _ = publish_phantom(settings, plan, lambda line: print(line, file=sys.stderr))
    return settings, ref.key


@contextmanager
def serving(command: list[str], cache: Path) -> Iterator[str]:
    """A Streamlit server on a free port; gives its address. Args: the module with its arguments,
    whose last is followed by the port, and the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            *command,
            str(port),
        ],
        cwd=ROOT,
        env=os.environ | {"STEERSCOPE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def move(page: Page, key: str, mark: str) -> float:
    """Milliseconds from a key press on the slider to the last change it causes.

    Args:
        page: with one slider.
        key: which arrow.
        mark: expression that changes with every move once the chart is redrawn.
    """
    before = json.dumps(page.evaluate(mark))
    page.bring_to_front()
    page.locator("input[type=range]").first.focus()
    page.wait_for_timeout(100)
    page.keyboard.press(key)
    page.wait_for_function(
        QUIET, arg=f"JSON.stringify({mark}) !== {json.dumps(before)}", polling=50, timeout=30_000
    )
    return float(page.evaluate("window.changed - window.pressed"))


def slider_times(lab: Page, bare: Page, moves: int) -> tuple[list[float], list[float]]:
    """Times of moves of both pages, taking turns; there and back along the axis."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(moves + WARM):
        key = "ArrowRight" if number % 40 < 30 else "ArrowLeft"
        lab.wait_for_function(RESTED, polling=50, timeout=30_000)
        lab.wait_for_timeout(200)
        times = (move(lab, key, MARK), move(bare, key, BARE))
        if number >= WARM:
            for own, taken in zip(found, times, strict=True):
                own.append(taken)
    return found


def opening_times(page: Page, url: str, study: str, rounds: int = 3) -> dict[str, float]:
    """Milliseconds from navigation to the page's title and first chart, median."""
    names = re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text("utf-8"))
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):  # the first one warms the server's caches
        for name in names:
            path = "" if name == names[0] else name
            page.goto(f"{url}/{path}?study={study}")
            shown = page.wait_for_function(OPEN, polling=20, timeout=120_000)
            if turn:
                found[name].append(float(shown.json_value()))
    return {name: statistics.median(times) for name, times in found.items()}


class Wire:
    """What a page gets over the network, counted from now on; and how fast that may be.

    Args:
        page: to listen to.
        slow: whether its network is as slow as SLOW.
    """

    def __init__(self, page: Page, slow: bool) -> None:
        self._bytes = 0.0
        session: CDPSession = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda e: self._add(e["encodedDataLength"]))
        session.on("Network.webSocketFrameReceived", lambda e: self._add(_length(e["response"])))
        if slow:
            down, up, latency = SLOW
            session.send(
                "Network.emulateNetworkConditions",
                {
                    "offline": False,
                    "latency": latency,
                    "downloadThroughput": down / 8,
                    "uploadThroughput": up / 8,
                },
            )

    def _add(self, count: float) -> None:
        self._bytes += count

    def taken(self) -> float:
        """Kilobytes since the last call."""
        found, self._bytes = self._bytes, 0.0
        return round(found / 1000, 1)


def _length(frame: dict[str, object]) -> float:
    """Bytes of a frame; those of binary ones come as base64."""
    text = str(frame["payloadData"])
    return len(text) * 3 / 4 if frame["opcode"] == 2 else len(text)


@dataclass(frozen=True)
class Visit:
    """A first visit. Attributes: kilobytes, and milliseconds to the first paint, title and chart;
    None for a page without one."""

    kilobytes: float
    paint_ms: float
    title_ms: float
    chart_ms: float | None


def visit(browser: Browser, url: str, *, slow: bool, chart: bool = True) -> Visit:
    """Open a page in a browser that has kept nothing.

    Args:
        browser: Chromium.
        url: of the page.
        slow: see :class:`Wire`.
        chart: whether the page has a chart to wait for.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    wire = Wire(page, slow)
    page.goto(url, wait_until="commit")
    page.wait_for_selector("h1", timeout=200_000)
    title = float(page.evaluate("performance.now()"))
    drawn = None
    if chart:
        page.wait_for_selector(CHART, timeout=200_000)
        drawn = round(float(page.evaluate("performance.now()")))
    page.wait_for_timeout(1500)
    found = Visit(wire.taken(), round(page.evaluate(PAINTED)), round(title), drawn)
    context.close()
    return found


def page_changes(browser: Browser, url: str, study: str) -> dict[str, float]:
    """Kilobytes of going from page to page by the sidebar, in the order of their links: each
    fetches what no page before it has fetched."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    wire = Wire(page, slow=False)
    page.goto(f"{url}/?study={study}")
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_timeout(3000)
    wire.taken()
    found = {}
    for name in ("Diagnosis", "Layers", "Transfer", "Layers"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_timeout(4000)
        found["Layers again" if name in found else name] = wire.taken()
    context.close()
    return found


def loading(browser: Browser, url: str, bare_url: str, study: str) -> dict[str, object]:
    """First visits of the first page, of a page with a chart, and of the bare page with its own."""
    found: dict[str, object] = {}
    for name, slow in (("full_speed", False), ("slow", True)):
        first = visit(browser, f"{url}/?study={study}", slow=slow, chart=False)
        own = visit(browser, f"{url}/layers?study={study}", slow=slow)
        bare = visit(browser, bare_url, slow=slow)
        assert own.chart_ms is not None and bare.chart_ms is not None
        for page, seen in (("first page", first), ("layers", own), ("bare page", bare)):
            chart = "" if seen.chart_ms is None else f"   chart {seen.chart_ms:7.0f} ms"
            print(
                f"{page:<11} {name:<11} {seen.kilobytes:8.0f} kB   first paint "
                f"{seen.paint_ms:6.0f} ms   title {seen.title_ms:6.0f} ms{chart}"
            )
        found[name] = {
            "first_page": asdict(first),
            "layers": asdict(own),
            "bare": asdict(bare),
            "kilobytes_to_bare": round(own.kilobytes / bare.kilobytes, 3),
            "paint_to_bare": round(own.paint_ms / bare.paint_ms, 3),
            "chart_to_bare": round(own.chart_ms / bare.chart_ms, 3),
        }
    found["page_change_kB"] = page_changes(browser, url, study)
    print(f"kilobytes of a page change: {found['page_change_kB']}")
    return found


def measure(cache: Path | None, moves: int) -> dict[str, object]:
    """Print a table and return the figures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("no chromium on the PATH: install it (Debian: apt install chromium)")
    settings, study = filled_store(cache)
    bare_command = ["streamlit", "run", "tests/benchmarks/bare_page.py"]
    bare_command += ["--server.address", "127.0.0.1", "--server.port"]
    own_command = ["pages.shared.launch", "--address", "127.0.0.1", "--host", "127.0.0.1", "--port"]
    with (
        serving(own_command, settings.cache) as url,
        serving(bare_command, settings.cache) as bare_url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.add_init_script(WATCH)
        lab, bare = context.new_page(), context.new_page()
        lab.goto(f"{url}/filter_lab?study={study}")
        bare.goto(bare_url)
        bare.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
        lab.wait_for_selector(".st-key-axis .main-svg", timeout=120_000)
        moved, floor = slider_times(lab, bare, moves)
        bare.close()
        opened = opening_times(lab, url, study)
        context.close()
        loaded = loading(browser, url, bare_url, study)
        browser.close()
    figures: dict[str, object] = {
        "slider_ms_p50": round(statistics.median(moved), 1),
        "slider_ms_p95": round(statistics.quantiles(moved, n=20)[-1], 1),
        "bare_ms_p50": round(statistics.median(floor), 1),
        "bare_ms_p95": round(statistics.quantiles(floor, n=20)[-1], 1),
        "slider_to_bare": round(statistics.median(moved) / statistics.median(floor), 3),
        "page_open_ms": {name: round(taken) for name, taken in opened.items()},
        "loading": loaded,
    }
    print(
        f"{MODELS} models x {TRAITS} traits x {LAYERS} layers, {SCENARIOS} scenarios, {PROMPTS} "
        f"prompts a pole; {moves} moves of each slider"
    )
    print(
        f"lab, move to last change   median {figures['slider_ms_p50']:7} ms"
        f"   95% {figures['slider_ms_p95']:7} ms"
    )
    print(
        f"bare heatmap page          median {figures['bare_ms_p50']:7} ms"
        f"   95% {figures['bare_ms_p95']:7} ms   lab / bare {figures['slider_to_bare']}"
    )
    for name, taken in opened.items():
        print(f"open {name:<20} {taken:8.0f} ms")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder of the store; made and kept there")
    parser.add_argument("--moves", type=int, default=MOVES)
    options = parser.parse_args()
    print(json.dumps(measure(options.cache, options.moves)))

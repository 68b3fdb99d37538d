"""How time and memory grow with responses, prompts, runs and width. Run with ``make bench-scale``.

One size is varied at a time about a middle one. Every stage of a study's life is a process of its
own, so that its peak memory is its own: import from JSON lines, drawing and writing activations
("extract", of a phantom: no model is run), derivation, publication, listing and opening, all pages
and one move of the lab's slider. Further runs are copies of the first with another name: a page
reads each of them as it reads any. A page is opened in Streamlit's own test runner, without a
browser: first with nothing kept from before, then again. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.pipeline import Pipeline
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.plan import plan_of
from backend.runs.results import Results
from backend.settings import Settings
from backend.store import catalog
from backend.studies.imports import import_study
from backend.views.filter_lab.compute import lab_view
from backend.views.filter_lab.stack import lab_stack
from tests.benchmarks.memory import peak_of_this_process
from tests.support.study_files import write_study

ROOT = Path(__file__).resolve().parents[2]
NAME, RUN = "scale", "scale-1"
TICKS = 9
SHOWN = 3
Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """What is measured at once.

    Attributes:
        responses: scored responses, two turns of each scenario.
        prompts: of each pole and trait.
        runs: of the study.
        width: coordinates of an activation.
        traits: of the study.
        layers: of each run.
    """

    responses: int = 400
    prompts: int = 20
    runs: int = 3
    width: int = 576
    traits: int = 2
    layers: int = 2

    def __str__(self) -> str:
        """The sizes in a line."""
        return (
            f"{self.responses:,} responses, {self.prompts} prompts a pole, {self.runs} runs, "
            f"width {self.width:,}"
        )


# One trait with many prompts, as they are asked for; two traits everywhere else.
MANY_PROMPTS = Size(prompts=582, traits=1)
QUICK = (
    Size(),
    Size(responses=100),
    Size(responses=4_000),
    Size(prompts=10),
    MANY_PROMPTS,
    Size(runs=1),
    Size(runs=100),
    Size(width=4096),
)
FULL = (
    *QUICK,
    Size(responses=20_000),
    Size(responses=100_000),
    Size(prompts=100),
    Size(prompts=600),
    Size(runs=30),
    Size(width=8192),
)


def phantom_of(size: Size) -> DrawnPhantom:
    """A phantom of a size, with prompts of outlying direction in half of its traits."""
    plan = plan_of(
        NAME,
        11,
        ["direction_outliers"],
        models=1,
        traits=size.traits,
        layers=size.layers,
        scenarios=size.responses // 2,
        prompts=size.prompts,
        width=size.width,
    )
    return DrawnPhantom(plan)


def copied(settings: Settings, count: int) -> None:
    """Copies of the run under other names, until there are as many as wanted."""
    source = settings.runs / f"{RUN}.duckdb"
    for number in range(2, count + 1):
        path = settings.runs / f"{NAME}-{number}.duckdb"
        if path.exists():
            continue
        shutil.copyfile(source, path)
        with duckdb.connect(str(path)) as connection:
            for key, value in (
                ("run_id", path.stem),
                ("model_name", f"phantom-{number}"),
                ("created_at", f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00+00:00"),
            ):
                connection.execute(
                    "UPDATE run SET value = ? WHERE key = ?", [json.dumps(value), key]
                )


# Each stage imports what only it needs, so that its peak memory is its own.


def seconds(job: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _import(settings: Settings, size: Size) -> Figures:
    source = settings.cache / "source"
    return {"seconds": seconds(lambda: import_study(settings, source, NAME))}


def _extract(settings: Settings, size: Size) -> Figures:
    """Draw and write; published without what follows from it, which the next stage derives."""
    from backend.extraction.simulated import NAME as ENGINE
    from backend.extraction.simulated import SimulatedEngine
    from backend.runs.engines import methods_of_engine
    from backend.runs.session import ExtractionSession

    engine = SimulatedEngine(phantom_of(size), 0)
    methods = methods_of_engine(ENGINE)
    session = ExtractionSession(settings, RUN, NAME, engine, lambda _: None, methods)
    found = {"seconds": seconds(lambda: session.extract_some(3600.0))}
    session.publish()
    return found


def _derive(settings: Settings, size: Size) -> Figures:
    from backend.runs.derivation_session import DerivationSession

    session = DerivationSession(settings, RUN, lambda _: None)

    def all_layers() -> None:
        while session.derive_some():
            pass

    found = {"seconds": seconds(all_layers)}
    session.close()
    return found


def _publish(settings: Settings, size: Size) -> Figures:
    from backend.runs.derivation_session import DerivationSession

    found = {"seconds": seconds(DerivationSession(settings, RUN, lambda _: None).publish)}
    path = settings.runs / f"{RUN}.duckdb"
    return found | {"megabytes": round(path.stat().st_size / 1e6, 1)}


def _open(settings: Settings, size: Size) -> Figures:
    """The list of all runs, as a server makes it for its first page."""
    return {"seconds": seconds(lambda: catalog.run_list(settings))}


def _tick(settings: Settings, size: Size) -> Figures:
    """Moves of the lab's slider over the runs that are on its scorecard."""
    runs = [run.run_id for run in catalog.run_list(settings).runs][-SHOWN:]
    results = Results(settings)
    read = seconds(lambda: results.of_runs(lab_stack, runs, "default", IDENTITY))
    base = results.of_runs(lab_stack, runs, "default", IDENTITY)
    place = base.keys[0]
    moves = [0.5 + 0.01 * move for move in range(TICKS + 1)]
    taken = [
        seconds(
            lambda at=threshold: lab_view(
                base,
                base,
                Pipeline(filter_reference="mean", threshold=at),
                place,
                None,
                settings.thresholds,
            )
        )
        for threshold in moves
    ]
    return {"seconds": statistics.median(taken[1:]), "read_seconds": read}


def _pages(settings: Settings, size: Size) -> Figures:
    """Each page in a server that has listed its runs and computed nothing, and once more."""
    import streamlit as st

    from tests.support.pages import FIRST, opened

    names = re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text("utf-8"))
    app = opened(FIRST)
    app.session_state["tests"] = "chosen"
    found: Figures = {}
    for name in [*names, *names]:  # what the first round imports, the second does not wait for
        st.cache_resource.clear()
        app.switch_page(f"pages/{name}.py")
        found[f"{name}_first"] = seconds(app.run)
        assert not app.exception, app.exception
        found[name] = seconds(app.run)
    return {key: round(value, 3) for key, value in found.items()}


STAGES: dict[str, Callable[[Settings, Size], Figures]] = {
    "import": _import,
    "extract": _extract,
    "derive": _derive,
    "publish": _publish,
    "open": _open,
    "tick": _tick,
    "pages": _pages,
}


def stage(name: str, folder: Path, size: Size) -> Figures:
    """Run one stage in a process of its own; its figures, with the peak memory in megabytes."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.scale",
            "--stage",
            name,
            "--cache",
            str(folder),
            "--size",
            json.dumps(dataclasses.asdict(size)),
        ],
        cwd=ROOT,
        env=os.environ | {"STEERSCOPE_CACHE": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} of {size} failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def measured(size: Size, keep: Path) -> dict[str, Figures]:
    """All stages of one size, in order.

    Args:
        size: what to make.
        keep: folder for the store; it is emptied before.
    """
    shutil.rmtree(keep, ignore_errors=True)
    settings = Settings(cache=keep)
    settings.make_folders()
    write_study(keep / "source", phantom_of(size).study)
    found = {}
    for name in STAGES:
        if name == "open":
            copied(settings, size.runs)
        found[name] = stage(name, keep, size)
    shutil.rmtree(keep)
    return found


def report(sizes: tuple[Size, ...]) -> list[dict[str, object]]:
    """Measure all sizes, print a table, and return the figures."""
    rows: list[dict[str, object]] = []
    shown = [name for name in STAGES if name != "pages"]
    print("seconds (peak MB)        " + "".join(f"{name:>16}" for name in shown))
    with tempfile.TemporaryDirectory(prefix="steerscope-scale-") as folder:
        for size in sizes:
            found = measured(size, Path(folder) / "store")
            print(size)
            print(
                " " * 25
                + "".join(
                    f"{found[name]['seconds']:9.3f} ({found[name]['peak_mb']:4.0f})"
                    for name in shown
                ),
                flush=True,
            )
            pages = found["pages"]
            names = [name for name in pages if f"{name}_first" in pages]
            print(
                "    pages, first / again: "
                + ", ".join(f"{n} {pages[f'{n}_first']:.2f} / {pages[n]:.2f}" for n in names)
                + f"  (peak {pages['peak_mb']:.0f} MB)",
                flush=True,
            )
            rows.append({"size": dataclasses.asdict(size), "stages": found})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the largest sizes too: up to an hour")
    parser.add_argument("--stage", choices=list(STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        settings = Settings(cache=options.cache)
        figures = STAGES[options.stage](settings, Size(**options.size))
        print(json.dumps(figures | {"peak_mb": round(peak_of_this_process() / 1e6)}))
    else:
        print(json.dumps(report(FULL if options.full else QUICK)))

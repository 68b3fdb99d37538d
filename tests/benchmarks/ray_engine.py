"""What Ray costs a batch, and what a second node gives. Run with ``make bench-ray``.

A batch of a tiny random model costs next to nothing, so what it takes on Ray is Ray's. Then some of
the sample's texts are pooled by SmolLM2 in this process, by one worker and by two, each with one
thread; a node here is a raylet of its own on this machine. Opening is told apart. Then layers of a
study of the published size, 4,096 wide, are derived by the same. The last line is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

# Before torch: a worker has one thread, and so has this process.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from backend.core.vectors.methods import METHODS
from backend.extraction.engine import Engine
from backend.extraction.local_engine import LocalEngine
from backend.extraction.ray_engine import RayEngine
from backend.runs.derive import LayersHere, behaviours_of, layer_task
from backend.runs.layer_task import Deriver, LayerTask
from backend.runs.ray_layers import LayersOnRay, layers_on_ray
from backend.settings import DEFAULT_MODEL, Settings
from backend.store.run import open_run
from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from backend.types import ExtractionRequest, Study
from tests.benchmarks.derive import extracted, published_size
from tests.support.ray_nodes import ray_nodes
from tests.support.studies import small_study
from tests.support.tiny_models import DEPTH, save_tiny_model

REPOSITORY = Path(__file__).resolve().parents[2]
LAYERS = tuple(range(8, 20))
WIDE_LAYERS = (0, 1, 2, 3)
TEXTS = 12
ROUNDS = 2


def seconds_of(engine: Engine, study: Study) -> tuple[float, float, int]:
    """Seconds to open, seconds a pass over all batches takes (median), and how many there are."""
    started = time.perf_counter()
    with engine.opened(study, lambda _: None) as opened:
        ready = time.perf_counter() - started
        # Until all workers have joined and are warm.
        taken = []
        for turn in range(ROUNDS + 1):
            started = time.perf_counter()
            for batch in opened.batches:
                opened.pool(batch)
            if turn:
                taken.append(time.perf_counter() - started)
        return ready, statistics.median(taken), len(opened.batches)


def derivation(settings: Settings, workers: int) -> tuple[float, float]:
    """Seconds to open, and seconds that the layers of a published run take.

    Args:
        settings: with a run called wide.
        workers: on Ray; 0 for this process.
    """
    request = ExtractionRequest(
        "", "", (), derives="wide", engine="ray" if workers else "local", workers=workers
    )
    opener = layers_on_ray(settings, request) if workers else None
    with open_run(settings, "wide") as run, ExitStack() as stack:
        study = run.study()
        behaviours = behaviours_of(study)

        def task(layer: int) -> LayerTask:
            return layer_task(run, layer, [*study.traits], {})

        started = time.perf_counter()
        deriver: Deriver = LayersHere(study, METHODS, behaviours)
        if opener is not None:
            deriver = stack.enter_context(opener(study, METHODS, "cpu", lambda _: None))
            assert isinstance(deriver, LayersOnRay)
            deriver.workers.wait_for_all()
        ready = time.perf_counter() - started
        started = time.perf_counter()
        for place in range(len(WIDE_LAYERS)):
            deriver.tables(WIDE_LAYERS[place:], task, lambda: None)
        return ready, time.perf_counter() - started


def main() -> None:
    """Print the table and one line of JSON."""
    sample = read_study(sample_path(), "sample")
    some = dataclasses.replace(
        sample, prompts=sample.prompts[:TEXTS], responses=sample.responses[:TEXTS]
    )
    with tempfile.TemporaryDirectory() as folder, ray_nodes() as nodes:
        settings = Settings(cache=Path(folder) / "cache")
        settings.make_folders()
        settings.models.rmdir()
        settings.models.symlink_to(REPOSITORY / "cache" / "models")
        settings = dataclasses.replace(settings, ray_address=nodes.address)
        tiny = str(save_tiny_model(Path(folder) / "tiny", "llama"))
        small = ExtractionRequest("s", tiny, tuple(range(DEPTH + 1)), batch_tokens=40, workers=1)
        _, here, batches = seconds_of(LocalEngine(settings, small), small_study(scenarios=40))
        _, there, _ = seconds_of(RayEngine(settings, small), small_study(scenarios=40))
        request = ExtractionRequest("s", DEFAULT_MODEL, LAYERS)
        rows = {"local": seconds_of(LocalEngine(settings, request), some)}
        for count in (1, 2):
            asked = dataclasses.replace(request, workers=count)
            rows[f"ray, {count} worker{'s' * (count > 1)}"] = seconds_of(
                RayEngine(settings, asked), some
            )
        extracted(settings, published_size(), WIDE_LAYERS).run()
        derived = {count: derivation(settings, count) for count in (0, 1, 2)}
    overhead = (there - here) / batches
    print(f"a batch of a tiny model, in this process {1000 * here / batches:8.2f} ms")
    print(f"the same by one worker on Ray            {1000 * there / batches:8.2f} ms")
    for name, (ready, taken, count) in rows.items():
        print(f"SmolLM2, {name:16} {taken:7.2f} s for {count} batches, opened in {ready:.1f} s")
    for count, (ready, taken) in derived.items():
        name = f"{count} worker{'s' * (count > 1)} on Ray" if count else "this process"
        print(f"deriving, {name:16} {taken:7.2f} s for {len(WIDE_LAYERS)} layers, {ready:.1f} s")
    local, one, two = (taken for _, taken, _ in rows.values())
    figures = {
        "ray_ms_per_batch": round(1000 * overhead, 2),
        "local_s": round(local, 2),
        "ray_1_s": round(one, 2),
        "ray_2_s": round(two, 2),
        "ray_1_v_local": round(local / one, 2),
        "ray_2_v_ray_1": round(one / two, 2),
        "derive_local_s": round(derived[0][1], 2),
        "derive_ray_1_s": round(derived[1][1], 2),
        "derive_ray_2_s": round(derived[2][1], 2),
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

"""One evaluation of the lab against the direct computation from activations, and for three widths.

The direct computation does what a notebook would: per cell, take cosines of the float32 prompts to
their pole's mean, drop those below the threshold, average, project all responses, correlate; then
measure the remaining prompts. Both sides give the same r (checked) and the same metrics. Inner
products for it are made once beforehand, as the worker does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from backend.core.cases import Cases
from backend.core.metrics.registry import live_metrics
from backend.core.moments import moments
from backend.core.prompt_cells import PromptCells
from backend.core.vectors.cell_stack import CellStack, stack
from backend.core.vectors.lab import evaluate
from backend.core.vectors.pipeline import Pipeline

MODELS, TRAITS, LAYERS, PROMPTS, SCENARIOS = 3, 8, 12, 40, 500
CELLS = MODELS * TRAITS * LAYERS
# Activations of all cells would be 14 GB at width 4096; these blocks take turns instead.
BLOCKS = 6
WIDTHS = (576, 4096, 8192)
PIPELINE = Pipeline(filter_reference="mean", threshold=0.8)
HIGH = np.arange(PROMPTS) < PROMPTS // 2
ROUNDS = 31


def block(seed: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prompts, responses (t1 then tN) and score drift of one cell, float32 activations."""
    rng = np.random.default_rng(seed)
    offset, trait = rng.standard_normal((2, width), dtype=np.float32)
    noise = rng.standard_normal((PROMPTS, width), dtype=np.float32)
    noise *= rng.uniform(0.3, 1.2, (PROMPTS, 1)).astype(np.float32)
    prompts = offset + 0.2 * np.where(HIGH, 1, -1)[:, None].astype(np.float32) * trait + noise
    responses = offset + rng.standard_normal((2 * SCENARIOS, width), dtype=np.float32)
    drift = rng.normal(size=SCENARIOS)
    responses[SCENARIOS:] += 0.05 * drift[:, None].astype(np.float32) * trait
    return prompts, responses, drift


def cells_of(blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> CellStack:
    """Inner products of all cells, the blocks taking turns."""
    grams, found = [], []
    first = np.arange(SCENARIOS)
    for prompts, responses, drift in blocks:
        p, cases = prompts.astype(np.float64), Cases.independent(drift, drift)
        grams.append(p @ p.T)
        found.append(moments(responses.astype(np.float64) @ p.T, first, first + SCENARIOS, cases))
    turns = [i % len(blocks) for i in range(CELLS)]
    width = blocks[0][0].shape[1]
    return stack([grams[i] for i in turns], [HIGH] * CELLS, [found[i] for i in turns], width)


def direct_r(prompts: np.ndarray, responses: np.ndarray, drift: np.ndarray):
    """r of one cell, and which prompts pass the filter, from activations."""
    kept = np.zeros(PROMPTS, bool)
    for pole in (HIGH, ~HIGH):
        rows = prompts[pole]
        mean = rows.mean(axis=0)
        cosines = rows @ mean / np.linalg.norm(rows, axis=1) / np.linalg.norm(mean)
        kept[pole] = cosines >= PIPELINE.threshold
    vector = prompts[kept & HIGH].mean(axis=0) - prompts[kept & ~HIGH].mean(axis=0)
    projections = responses @ (vector / np.linalg.norm(vector))
    return np.corrcoef(projections[SCENARIOS:] - projections[:SCENARIOS], drift)[0, 1], kept


def direct(blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]], with_metrics: bool):
    """r (and the metrics) of all cells from activations."""
    rs = []
    for i in range(CELLS):
        prompts, responses, drift = blocks[i % len(blocks)]
        r, kept = direct_r(prompts, responses, drift)
        rs.append(r)
        if with_metrics:
            live_metrics(PromptCells.from_activations(prompts[kept], HIGH[kept]))
    return np.array(rs)


def seconds(job: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def measure() -> dict[str, float]:
    """Print a table and return the figures."""
    stacks = {}
    for width in WIDTHS:
        blocks = [block(seed, width) for seed in range(BLOCKS)]
        stacks[width] = cells_of(blocks)
        if width == 4096:
            gap = np.abs(direct(blocks, False) - evaluate(PIPELINE, stacks[width]).r).max()
            kept = evaluate(PIPELINE, stacks[width]).kept.mean()
            whole = statistics.median(seconds(lambda: direct(blocks, True)) for _ in range(3))  # noqa: B023
            only_r = statistics.median(seconds(lambda: direct(blocks, False)) for _ in range(3))  # noqa: B023
    # Widths take turns, so that a busy moment slows all three alike.
    times: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for _ in range(ROUNDS):
        for width, cells in stacks.items():
            times[width].append(seconds(lambda stacked=cells: evaluate(PIPELINE, stacked)))
    ticks = {width: statistics.median(found[2:]) for width, found in times.items()}
    print(
        f"{MODELS} models x {TRAITS} traits x {LAYERS} layers = {CELLS} cells, {PROMPTS} "
        f"prompts, {SCENARIOS} scenarios, cosine filter keeping {kept:.0%}"
    )
    for width, found in ticks.items():
        print(f"tick, d = {width:<5} {1e3 * found:10.2f} ms")
    print(f"direct, d = 4096, with metrics {1e3 * whole:10.1f} ms   {whole / ticks[4096]:6.0f} x")
    print(
        f"direct, d = 4096, r alone      {1e3 * only_r:10.1f} ms   {only_r / ticks[4096]:6.0f} x "
        "the whole tick"
    )
    print(f"largest difference in r, float32 against float64: {gap:.1e}")
    return {
        "lab_tick_ms": round(1e3 * ticks[4096], 3),
        "lab_vs_direct": round(whole / ticks[4096], 1),
        "lab_tick_wide_vs_narrow": round(ticks[8192] / ticks[576], 3),
    }

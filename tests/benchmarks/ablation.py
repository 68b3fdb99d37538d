"""Which evidence matters for which cause. Run with ``python -m tests.benchmarks.ablation``.

Phantom cells are diagnosed again and again, each time with one kind of evidence replaced by what
tells nothing. The table gives, per planted cause, how often the likeliest supported cause is the
planted one. Seeds differ from those of calibration and of ``make bench-diagnosis``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np

from backend.core.estimate import Estimate
from backend.core.statistics.reliability import judge_reliability
from backend.core.vectors.methods import MEAN_DIFFERENCE, RIDGE
from backend.phantom.causes import CAUSES, CAUSES_BY_NAME
from backend.phantom.plan import plan_of
from backend.views.diagnosis.diagnose import diagnose
from backend.views.diagnosis.evidence import CellEvidence
from tests.benchmarks.diagnosis import LAYERS, MIDDLE, REPEATED, SETTINGS, TRAITS, WIDTH
from tests.support.phantoms import phantom_cells

SEED = 9_000_000
SEEDS = 2


def _without_geometry(e: CellEvidence) -> CellEvidence:
    """Prompts of one length with one cosine to each other."""
    n = len(e.high)
    return dataclasses.replace(e, gram=0.9 + 0.1 * np.eye(n))


def _without_dominance(e: CellEvidence) -> CellEvidence:
    return dataclasses.replace(e, dominance=Estimate.undefined(len(e.high), "left out"))


def _without_gains(e: CellEvidence) -> CellEvidence:
    """No vector but the mean difference and the probe, so that no remedy can be tried."""
    kept = {n: e.drifts_by_layer[n] for n in (MEAN_DIFFERENCE, RIDGE) if n in e.drifts_by_layer}
    return dataclasses.replace(e, drifts_by_layer=kept)


def _without_probe(e: CellEvidence) -> CellEvidence:
    kept = {name: own for name, own in e.drifts_by_layer.items() if name != RIDGE}
    return dataclasses.replace(e, drifts_by_layer=kept)


def _without_layers(e: CellEvidence) -> CellEvidence:
    only = {name: {e.layer: drift} for name, drift in e.drifts.items()}
    return dataclasses.replace(e, drifts_by_layer=only)


def _without_scores(e: CellEvidence) -> CellEvidence:
    """Scores as a usable judge spreads them; their drifts stay."""
    low, high = e.score_range
    spread = np.round(np.linspace(low + 1, high - 1, e.n))
    never = judge_reliability(np.zeros((0, 0)), np.zeros(0, np.intp), every=False)
    cases = dataclasses.replace(e.cases, first=None, last=spread)
    return dataclasses.replace(e, cases=cases, reliability=never)


def _without_length(e: CellEvidence) -> CellEvidence:
    return dataclasses.replace(e, cases=dataclasses.replace(e.cases, length=np.zeros(e.n)))


ABLATIONS: dict[str, Callable[[CellEvidence], CellEvidence]] = {
    "all evidence": lambda e: e,
    "prompts' lengths and cosines": _without_geometry,
    "dominance": _without_dominance,
    "gains of remedies": _without_gains,
    "probe": _without_probe,
    "other layers": _without_layers,
    "scores": _without_scores,
    "response length": _without_length,
}


def measure() -> dict[str, dict[str, float]]:
    """Cause -> removed evidence -> share of cells in which the planted cause comes first."""
    hits: dict[str, dict[str, list[bool]]] = {}
    seed = SEED
    for cause in CAUSES:
        if not cause.harms:
            continue
        hits[cause.name] = {name: [] for name in ABLATIONS}
        for prompts, responders, turns in SETTINGS[:2]:
            for _ in range(SEEDS):
                seed += 1
                plan = plan_of(
                    "ablation",
                    seed,
                    (cause.name,),
                    models=1,
                    traits=TRAITS,
                    layers=LAYERS,
                    prompts=prompts,
                    width=WIDTH,
                    responders=responders,
                    turns=turns,
                    repeated=REPEATED,
                )
                for cell in phantom_cells(plan, MIDDLE):
                    if cell.planted != (cause.name,):
                        continue
                    for name, remove in ABLATIONS.items():
                        found = diagnose(remove(cell.evidence)).supported
                        hits[cause.name][name].append(bool(found) and found[0].cause == cause.name)
    return {
        cause: {name: round(float(np.mean(own)), 2) for name, own in by_name.items()}
        for cause, by_name in hits.items()
    }


if __name__ == "__main__":
    table = measure()
    print("| planted | " + " | ".join(ABLATIONS) + " |")
    print("|---" * (len(ABLATIONS) + 1) + "|")
    for cause, shares in table.items():
        row = " | ".join(f"{share:.0%}" for share in shares.values())
        print(f"| {CAUSES_BY_NAME[cause].title} | {row} |")
    print(json.dumps(table))

"""How often the diagnosis is right on fresh phantoms. Run with ``make bench-diagnosis``.

Every phantom has a planted cause in half of its cells and none in the rest. The diagnosis sees one
half of the scenarios; what its recommended fix does to r is measured on the other half, beside an
oracle: the vector of the same phantom with nothing planted. Seeds of calibration and of this
report differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.phantom.causes import CAUSES, NONE
from backend.phantom.geometry import best_layer
from backend.phantom.plan import PhantomPlan, plan_of
from backend.views.diagnosis.diagnose import Diagnosis, diagnose
from backend.views.diagnosis.rules.outliers import markers
from tests.support.phantoms import PhantomCell, clean_vectors, phantom_cells

CALIBRATION_SEED, REPORT_SEED = 1_000, 7_000_000
TRAITS, LAYERS = 4, 12
MIDDLE = (LAYERS + 1) // 2
SETTINGS = ((20, 1024), (5, 256))  # prompts per pole, width
SEEDS = 2
FIXABLE = (
    "magnitude_outliers",
    "direction_outliers",
    "massive_coordinate",
    "other_layer",
    "unlike_concept",
    "length_confound",
)
HARMLESS = (NONE, "unit_scale")
MIXED = tuple(
    combinations(("direction_outliers", "massive_coordinate", "floor", "length_confound"), 2)
)


@dataclass(frozen=True)
class Outcome:
    """One diagnosed cell. ``base``, ``fixed`` and ``oracle`` are r on the other half."""

    planted: tuple[str, ...]
    found: tuple[str, ...]
    top_three: tuple[str, ...]
    base: float
    fixed: float | None
    oracle: float | None

    @property
    def top(self) -> str:
        """The likeliest supported cause; ``none`` without one."""
        return self.found[0] if self.found else NONE


def outcomes(
    causes: tuple[str, ...], strength: float, seed: int, prompts: int, width: int
) -> list[Outcome]:
    """Diagnose the cells of one phantom of one model."""
    plan = plan_of(
        "bench",
        seed,
        causes,
        strength,
        models=1,
        traits=TRAITS,
        layers=LAYERS,
        prompts=prompts,
        width=width,
    )
    clean = clean_vectors(plan)
    return [
        _outcome(plan, cell, clean[trait]) for trait, cell in enumerate(phantom_cells(plan, MIDDLE))
    ]


def _outcome(plan: PhantomPlan, cell: PhantomCell, clean: dict[int, np.ndarray]) -> Outcome:
    diagnosis: Diagnosis = diagnose(cell.evidence)
    trait = int(cell.evidence.trait.removeprefix("trait_")) - 1
    fixed = None
    supported = diagnosis.supported
    if supported and supported[0].fix is not None:
        fix = supported[0].fix
        if fix.layer is not None:
            fixed = cell.held_out_r(cell.layer_vectors[fix.layer], fix.layer)
        elif fix.method in cell.vectors:
            fixed = cell.held_out_r(cell.vectors[fix.method], MIDDLE)
    layer = best_layer(plan, 0, trait)
    return Outcome(
        planted=cell.planted,
        found=tuple(j.cause for j in supported),
        top_three=tuple(j.cause for j in diagnosis.judgements if j.verdict != "ruled out")[:3],
        base=cell.held_out_r(cell.vectors[MEAN_DIFFERENCE], MIDDLE),
        fixed=fixed,
        oracle=cell.held_out_r(clean[layer], layer),
    )


def report() -> dict[str, float]:
    """Draw the phantoms, print the tables and return the figures."""
    single: list[Outcome] = []
    gone: list[Outcome] = []
    mixed: list[Outcome] = []
    seed = REPORT_SEED
    for prompts, width in SETTINGS:
        for _ in range(SEEDS):
            for cause in CAUSES:
                seed += 1
                single += outcomes((cause.name,), 1.0, seed, prompts, width)
        for cause in CAUSES:
            if cause.place not in ("study", "model"):
                seed += 1
                gone += outcomes((cause.name,), 0.02, seed, prompts, width)
        for pair in MIXED:
            seed += 1
            mixed += [o for o in outcomes(pair, 1.0, seed, prompts, width) if len(o.planted) == 2]
        print(f"{prompts} prompts, width {width}: done", file=sys.stderr)
    return _figures(single, gone, mixed)


def _figures(single: list[Outcome], gone: list[Outcome], mixed: list[Outcome]) -> dict[str, float]:
    harmed = [o for o in single if o.planted[0] not in HARMLESS]
    healthy = [o for o in single if o.planted[0] in HARMLESS]
    _print_confusion(single)
    fixable = [o for o in harmed if o.planted[0] in FIXABLE]
    gains = [
        (0.0 if o.fixed is None else o.fixed - o.base, (o.oracle or 0.0) - o.base) for o in fixable
    ]
    print("\ncause                  cells   r  fixed  oracle")
    for cause in FIXABLE:
        own = [o for o in fixable if o.planted[0] == cause]
        fixed = [o.base if o.fixed is None else o.fixed for o in own]
        print(
            f"{cause:20} {len(own):6d} {np.mean([o.base for o in own]):+.2f}  "
            f"{np.mean(fixed):+.2f}  {np.mean([o.oracle or 0 for o in own]):+.2f}"
        )
    wrong = [o for o in gone if o.found]
    print(f"\nstrength 0.02: {len(wrong)} of {len(gone)} cells accused of anything")
    return {
        "top1": round(np.mean([o.top == o.planted[0] for o in harmed]), 3),
        "healthy_accused": round(np.mean([bool(o.found) for o in healthy]), 3),
        "fix_improves": round(np.mean([gain > 0 for gain, _ in gains]), 3),
        "fix_gain_vs_oracle": round(sum(g for g, _ in gains) / sum(o for _, o in gains), 3),
        "mixed_top3": round(np.mean([set(o.planted) <= set(o.top_three) for o in mixed]), 3),
        "accused_at_zero": round(len(wrong) / len(gone), 3),
    }


def _print_confusion(single: list[Outcome]) -> None:
    counts = Counter((o.planted[0], o.top) for o in single)
    shown = [cause.name for cause in CAUSES]
    print("planted (rows) v likeliest supported cause (columns, numbered as the rows)")
    print(" " * 24 + "".join(f"{number:4d}" for number in range(1, len(shown) + 1)))
    for number, planted in enumerate(shown, start=1):
        row = "".join(f"{counts[planted, top] or '.':>4}" for top in shown)
        print(f"{number:2d} {planted:21}{row}")


def calibrate() -> None:
    """Print the highest value of every marker over healthy cells."""
    highest: dict[str, float] = {}
    seed = CALIBRATION_SEED
    for prompts in (5, 20):
        for width in (64, 256, 1024):
            for scenarios in (120, 500):
                seed += 1
                plan = plan_of(
                    "calibration",
                    seed,
                    [NONE],
                    models=1,
                    traits=8,
                    layers=LAYERS,
                    prompts=prompts,
                    width=width,
                    scenarios=scenarios,
                )
                for cell in phantom_cells(plan, MIDDLE):
                    for name, value in _markers(cell).items():
                        highest[name] = max(highest.get(name, -1.0), value)
    for name, value in highest.items():
        print(f"{name:24} {value:.3f}")


def _markers(cell: PhantomCell) -> dict[str, float]:
    evidence = cell.evidence
    ratios, gaps = markers(evidence)
    cases, plain = evidence.cases, evidence.drifts[MEAN_DIFFERENCE]
    assert cases.first is not None and evidence.dominance.value is not None
    stability = pearson(cases.cases(cases.first, cases.last)).value or 0.0
    length = pearson(cases.cases(plain, cases.length))
    probe = evidence.gain(evidence.drifts["ridge_drift"], plain)
    return {
        "norm ratio": float(ratios.max()),
        "cosine gap": float(gaps.max()),
        "dominance": evidence.dominance.value,
        "share at an end": float((evidence.scores == 0).mean()),
        "rounding share": 1 / 12 / float(evidence.scores.var()),
        "1 - stability": 1 - stability,
        "length r": abs(length.value or 0.0),
        "probe gain": probe.value or 0.0,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", action="store_true")
    if parser.parse_args().calibrate:
        calibrate()
    else:
        print(json.dumps(report()))

"""How often the diagnosis is right on fresh phantoms. Run with ``make bench-diagnosis``.

Cells are diagnosed as a user gets them: at the layer that their own scenarios chose, from 64 to 500
scenarios, with one responder or three, of drifts and of levels. Every phantom has a planted cause
in some of its cells and none in the rest. What the recommended fix does to r is measured on as many
other scenarios, beside an oracle: the vector of the same phantom with nothing planted. Signal in
another layer can only be found at a layer that the user gave: there it is diagnosed at the middle
one. The judge scores responses of up to 120 scenarios twice, as nothing else tells its reliability.
Seeds of calibration and of this report differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np
from scipy import stats

from backend.core.statistics.correlation import pearson
from backend.core.statistics.reliability import rounding_of, score_use
from backend.core.vectors.methods import MEAN_DIFFERENCE, RIDGE
from backend.phantom.causes import CAUSES, NONE
from backend.phantom.geometry import best_layer
from backend.phantom.plan import PhantomPlan, plan_of
from backend.views.diagnosis.diagnose import Diagnosis, diagnose
from backend.views.diagnosis.rules.outliers import markers
from tests.support.phantoms import PhantomCell, clean_vectors, phantom_cells

CALIBRATION_SEED, REPORT_SEED = 1_000, 7_000_000
TRAITS, LAYERS, WIDTH = 3, 6, 256
MIDDLE = (LAYERS + 1) // 2
SCENARIOS = (64, 200, 500)
REPEATED = 120
# Prompts per pole, responders and turns: each number with each of the others once.
SETTINGS = ((5, 1, 2), (20, 3, 2), (20, 1, 1), (5, 3, 1))
FEW, OTHER_LAYER = "few_scenarios", "other_layer"
FIXABLE = (
    "magnitude_outliers",
    "direction_outliers",
    "massive_coordinate",
    OTHER_LAYER,
    "unlike_concept",
    "length_confound",
)
HARMLESS = (NONE, "unit_scale")
MIXED = tuple(
    combinations(("direction_outliers", "massive_coordinate", "floor", "length_confound"), 2)
)


@dataclass(frozen=True)
class Outcome:
    """One diagnosed cell. ``base``, ``fixed`` and ``oracle`` are r on the other scenarios."""

    scenarios: int
    setting: tuple[int, int, int]
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

    @property
    def right(self) -> bool:
        """Whether that is the planted one."""
        return self.top == self.planted[0]

    def __str__(self) -> str:
        """The cell in a line, to see where the diagnosis errs."""
        return f"{self.scenarios} {self.setting} {self.planted}: {self.found} r {self.base:+.2f}"

    @property
    def accused(self) -> bool:
        """Whether any cause is supported but too few scenarios, which says that nothing is sure."""
        return any(cause != FEW for cause in self.found)


def outcomes(
    causes: tuple[str, ...],
    strength: float,
    seed: int,
    scenarios: int,
    setting: tuple[int, int, int],
    *,
    repeated: int = REPEATED,
) -> list[Outcome]:
    """Diagnose the cells of one phantom of one model."""
    prompts, responders, turns = setting
    sizes = {} if FEW in causes else {"scenarios": scenarios}
    plan = plan_of(
        "bench",
        seed,
        causes,
        strength,
        models=1,
        traits=TRAITS,
        layers=LAYERS,
        prompts=prompts,
        width=WIDTH,
        responders=responders,
        turns=turns,
        repeated=min(repeated, scenarios),
        **sizes,
    )
    layer = MIDDLE if OTHER_LAYER in causes else None
    clean = clean_vectors(plan)
    return [
        _outcome(plan, scenarios, setting, cell, clean[trait])
        for trait, cell in enumerate(phantom_cells(plan, layer))
    ]


def _outcome(
    plan: PhantomPlan,
    scenarios: int,
    setting: tuple[int, int, int],
    cell: PhantomCell,
    clean: dict[int, np.ndarray],
) -> Outcome:
    diagnosis: Diagnosis = diagnose(cell.evidence)
    trait = int(cell.evidence.trait.removeprefix("trait_")) - 1
    fixed = None
    supported = diagnosis.supported
    fix = supported[0].fix if supported else None
    if fix is not None:
        at = diagnosis.layer if fix.layer is None else fix.layer
        vector = cell.vectors.get(fix.method or MEAN_DIFFERENCE, {}).get(at)
        fixed = None if vector is None else cell.held_out_r(vector, at)
    best = best_layer(plan, 0, trait)
    return Outcome(
        scenarios=scenarios,
        setting=setting,
        planted=cell.planted,
        found=tuple(j.cause for j in supported),
        top_three=tuple(j.cause for j in diagnosis.judgements if j.verdict != "ruled out")[:3],
        base=cell.held_out_r(cell.vectors[MEAN_DIFFERENCE][diagnosis.layer], diagnosis.layer),
        fixed=fixed,
        oracle=cell.held_out_r(clean[best], best),
    )


def report() -> dict[str, float]:
    """Draw the phantoms, print the tables and return the figures."""
    single: list[Outcome] = []
    gone: list[Outcome] = []
    mixed: list[Outcome] = []
    unrepeated: list[Outcome] = []
    seeds = count(REPORT_SEED)
    for scenarios in SCENARIOS:
        for place, cause in enumerate(CAUSES):
            # Two of the four settings each, in turn.
            for setting in SETTINGS[place % 2 :: 2]:
                single += outcomes((cause.name,), 1.0, next(seeds), scenarios, setting)
        own = [o for o in single if o.scenarios == scenarios]
        wrong = [o for o in own if o.planted[0] in HARMLESS and o.accused]
        right = sum(o.right for o in own)
        print(
            f"{scenarios} scenarios: {right} of {len(own)} right, {len(wrong)} healthy accused",
            file=sys.stderr,
        )
    for place, cause in enumerate(CAUSES):
        if cause.place not in ("study", "model"):
            setting = SETTINGS[place % len(SETTINGS)]
            gone += outcomes((cause.name,), 0.02, next(seeds), 200, setting)
    for place, pair in enumerate(MIXED):
        setting = SETTINGS[place % len(SETTINGS)]
        found = outcomes(pair, 1.0, next(seeds), 500, setting)
        mixed += [o for o in found if len(o.planted) == 2]
    for setting in SETTINGS:
        for cause in ("unreliable_judge", "not_linear"):
            unrepeated += outcomes((cause,), 1.0, next(seeds), 200, setting, repeated=0)
    return _figures(single, gone, mixed, unrepeated)


def _figures(
    single: list[Outcome], gone: list[Outcome], mixed: list[Outcome], unrepeated: list[Outcome]
) -> dict[str, float]:
    harmed = [o for o in single if o.planted[0] not in HARMLESS]
    healthy = [o for o in single if o.planted[0] in HARMLESS]
    for scenarios in SCENARIOS:
        print(f"\n{scenarios} scenarios: ", end="")
        _print_confusion([o for o in single if o.scenarios == scenarios])
    fixable = [o for o in harmed if o.planted[0] in FIXABLE]
    print("\ncause                  cells   r  fixed  oracle")
    for cause in FIXABLE:
        own = [o for o in fixable if o.planted[0] == cause]
        fixed = [o.base if o.fixed is None else o.fixed for o in own]
        print(
            f"{cause:20} {len(own):6d} {np.mean([o.base for o in own]):+.2f}  "
            f"{np.mean(fixed):+.2f}  {np.mean([o.oracle or 0 for o in own]):+.2f}"
        )
    found = {
        "top1": _share([o.right for o in harmed]),
        "healthy_accused": _share([o.accused for o in healthy]),
        "fix_improves": _share([gain > 0 for gain, _ in _gains(fixable)]),
        "fix_gain_vs_oracle": _ratio(_gains(fixable)),
        "mixed_top3": _share([set(o.planted) <= set(o.top_three) for o in mixed]),
        "accused_at_zero": _share([o.accused for o in gone]),
    }
    print("\nscenarios  harmed  first  supported  healthy  accused (95% interval)  fix improves")
    for n in SCENARIOS:
        own = [o for o in harmed if o.scenarios == n]
        well = [o for o in healthy if o.scenarios == n]
        fixes = _gains([o for o in own if o.planted[0] in FIXABLE])
        accused = sum(o.accused for o in well)
        interval = stats.binomtest(accused, len(well)).proportion_ci(method="wilson")
        found |= {
            f"top1_{n}": _share([o.right for o in own]),
            f"supported_{n}": _share([o.planted[0] in o.found for o in own]),
            f"healthy_accused_{n}": _share([o.accused for o in well]),
            f"fix_improves_{n}": _share([gain > 0 for gain, _ in fixes]),
            f"fix_gain_vs_oracle_{n}": _ratio(fixes),
        }
        print(
            f"{n:9d} {len(own):7d} {found[f'top1_{n}']:6.1%} {found[f'supported_{n}']:10.1%}"
            f" {len(well):8d} {found[f'healthy_accused_{n}']:8.1%}"
            f" [{interval.low:.1%}, {interval.high:.1%}] {found[f'fix_improves_{n}']:13.1%}"
        )
    print("\nprompts, responders, turns: harmed cells, planted cause first")
    for setting in SETTINGS:
        own = [o for o in harmed if o.setting == setting]
        print(f"{setting}: {len(own)}, {_share([o.right for o in own]):.1%}")
    missed = [o for o in unrepeated if o.planted[0] == "unreliable_judge"]
    wrong = [o for o in unrepeated if o.planted[0] != "not_linear" and "not_linear" in o.found]
    print(
        f"\nscored once, 200 scenarios: an unreliable judge supported in"
        f" {sum('unreliable_judge' in o.found for o in missed)} of {len(missed)} cells;"
        f" a signal not there claimed in {len(wrong)} of all cells with one"
    )
    for o in (*(o for o in harmed if not o.right), *(o for o in healthy if o.accused)):
        print(f"not right: {o}")
    print(f"strength 0.02: {sum(o.accused for o in gone)} of {len(gone)} cells accused")
    return found


def _gains(fixable: Sequence[Outcome]) -> list[tuple[float, float]]:
    """What the fix gains on other scenarios, and what nothing planted would."""
    return [
        (0.0 if o.fixed is None else o.fixed - o.base, (o.oracle or 0.0) - o.base) for o in fixable
    ]


def _ratio(gains: Sequence[tuple[float, float]]) -> float:
    return round(sum(gain for gain, _ in gains) / sum(oracle for _, oracle in gains), 3)


def _share(found: Sequence[bool]) -> float:
    return round(float(np.mean(found)), 3)


def _print_confusion(single: list[Outcome]) -> None:
    counts = Counter((o.planted[0], o.top) for o in single)
    shown = [cause.name for cause in CAUSES]
    print("planted (rows) v likeliest supported cause (columns, numbered as the rows)")
    print(" " * 24 + "".join(f"{number:4d}" for number in range(1, len(shown) + 1)))
    for number, planted in enumerate(shown, start=1):
        row = "".join(f"{counts[planted, top] or '.':>4}" for top in shown)
        print(f"{number:2d} {planted:21}{row}")


def calibrate() -> None:
    """Print the highest value of every marker over healthy cells, and how many are accused."""
    highest: dict[str, float] = {}
    accused: dict[int, list[bool]] = {n: [] for n in SCENARIOS}
    for number, (scenarios, setting, _) in enumerate(
        (n, setting, again) for n in SCENARIOS for setting in SETTINGS for again in range(2)
    ):
        prompts, responders, turns = setting
        plan = plan_of(
            "calibration",
            CALIBRATION_SEED + number,
            [NONE],
            models=1,
            traits=4,
            layers=LAYERS,
            prompts=prompts,
            width=(64, WIDTH)[number % 2],
            scenarios=scenarios,
            responders=responders,
            turns=turns,
            repeated=min(REPEATED, scenarios),
        )
        for cell in phantom_cells(plan, None):
            found = diagnose(cell.evidence).supported
            accused[scenarios].append(any(j.cause != FEW for j in found))
            for name, value in _markers(cell).items():
                highest[name] = max(highest.get(name, -1.0), value)
    for name, value in highest.items():
        print(f"{name:24} {value:.3f}")
    for scenarios, own in accused.items():
        print(f"{scenarios} scenarios: {sum(own)} of {len(own)} healthy cells accused")


def _markers(cell: PhantomCell) -> dict[str, float]:
    evidence = cell.evidence
    ratios, gaps = markers(evidence)
    cases = evidence.cases
    assert evidence.dominance.value is not None
    found = {
        "norm ratio": float(ratios.max()),
        "cosine gap": float(gaps.max()),
        "dominance": evidence.dominance.value,
        "1 - split-half": 1 - (evidence.split_half.value or 0.0),
        "probe gain": evidence.trial((RIDGE,)).gain.value or 0.0,
    }
    length = pearson(cases.cases(evidence.drifts[MEAN_DIFFERENCE], cases.length))
    ends = (abs(length.low or 0.0), abs(length.high or 0.0))
    found["length r, nearer end"] = (
        0.0 if (length.low or 0) <= 0 <= (length.high or 0) else min(ends)
    )
    use = score_use(evidence.scores, *evidence.score_range)
    assert use is not None
    found["share at an end"] = max(use.floor, use.ceiling)
    drifts = None if cases.first is None else cases.behaviour
    found["rounding share"] = rounding_of(evidence.scores, drifts).share
    if cases.first is not None:
        found["1 - stability"] = 1 - (pearson(cases.cases(cases.first, cases.last)).value or 0.0)
    found["1 - reliability"] = 1 - (evidence.reliability.used.value or 0.0)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", action="store_true")
    if parser.parse_args().calibrate:
        calibrate()
    else:
        print(json.dumps(report()))

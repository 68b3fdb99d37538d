"""Two runs side by side: which ones, did r change, and did the prompts come to agree?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.prompt_resampling import (
    POLE_MEASURES,
    PoleMeasure,
    PoleSample,
    compare_poles,
    is_paired,
)
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.store.run import Run
from backend.store.run_values import RunSummary
from backend.types import POLES, Pole, Target

# Scenario and responder of a case.
CaseName = tuple[str, str]
# One layer of both sides; for each trait A's best one on both sides; or None for each side's own.
LayerRule = int | Literal["before"] | None
# Projections that differ by less than this share of their spread differ by rounding.
SAME = 1e-9


@dataclass(frozen=True)
class Side:
    """One side of a comparison. Attributes: run_id and prompt_set."""

    run_id: str
    prompt_set: str


@dataclass(frozen=True)
class PoleDifference:
    """One measure of one pole on both sides.

    Attributes:
        pole: high or low.
        measure: its title.
        unit: ``scale-free`` or in terms of the activations, which differ from model to model.
        first: A's value; None where undefined.
        second: B's value.
        difference: B - A with a bootstrap interval over prompts.
        paired: whether both sides have the same prompts, so that they were resampled together.
        prompts: number of prompts of A and of B.
    """

    pole: Pole
    measure: str
    unit: str
    first: float | None
    second: float | None
    difference: Estimate
    paired: bool
    prompts: tuple[int, int]


@dataclass(frozen=True)
class PromptChange:
    """What became of the prompts of one pole.

    Attributes:
        pole: high or low.
        kept: number of prompts that both sides have.
        removed: texts that A alone has, in A's order.
        added: texts that B alone has, in B's order.
    """

    pole: Pole
    kept: int
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True)
class TraitDifference:
    """One trait on both sides.

    Attributes:
        trait: the trait.
        layers: layer of A and of B; None where the side has no vector of the trait.
        cases: number of scored cases of A and of B.
        first: A's r over the matched cases.
        second: B's r over the matched cases.
        matched: number of cases (scenario and responder) that are in both.
        difference: second - first: Zou's interval and Williams's p for two correlations that
            share the behaviour.
        adjusted_p: Benjamini-Hochberg p over the traits compared.
        poles: measures of the prompts.
        prompts: which prompts were removed and added.
        unchanged: whether both sides have the same prompts and project every matched case alike,
            so that there is nothing to test.
    """

    trait: str
    layers: tuple[int | None, int | None]
    cases: tuple[int, int]
    first: Estimate
    second: Estimate
    matched: int
    difference: Estimate
    adjusted_p: float | None
    poles: tuple[PoleDifference, ...]
    prompts: tuple[PromptChange, ...]
    unchanged: bool


@dataclass(frozen=True)
class Comparison:
    """Two runs of one study's name.

    Attributes:
        layer: which layers are compared.
        traits: traits that both sides have, in A's order, those that changed first.
        left_out: trait -> why it cannot be compared.
    """

    layer: LayerRule
    traits: tuple[TraitDifference, ...]
    left_out: dict[str, str]


@dataclass(frozen=True, eq=False)
class _TraitSide:
    """One trait of one side.

    Attributes:
        target: what r is taken over.
        layer: the layer shown.
        cases: case -> projection drift and behaviour; empty where there is no vector.
        texts: case -> digest of its texts.
        groups: case -> what makes it dependent on others.
        poles: the prompts of each pole.
    """

    target: Target
    layer: int
    cases: dict[CaseName, tuple[float, float]]
    texts: dict[CaseName, str]
    groups: dict[CaseName, str]
    poles: dict[Pole, PoleSample]


def comparable_runs(runs: Sequence[RunSummary], study_name: str) -> tuple[RunSummary, ...]:
    """Runs of any revision of a study, newest first.

    Args:
        runs: published runs, oldest first.
        study_name: name of the study, without hash.
    """
    return tuple(run for run in reversed(runs) if run.record.study_name == study_name)


def previous_run(runs: Sequence[RunSummary], run_id: str) -> RunSummary | None:
    """The run that another is compared with: of the same study's name and published before it, by
    the same model where there is one. Of these the one it took most texts from, as a revision from
    the run that it revises; else the newest. None if there is none.

    Args:
        runs: published runs, oldest first.
        run_id: the later run.
    """
    place = next((i for i, run in enumerate(runs) if run.run_id == run_id), None)
    if place is None:
        return None
    record = runs[place].record
    earlier = comparable_runs(runs[:place], record.study_name)
    alike = [run for run in earlier if run.record.weights_hash == record.weights_hash]
    # The newest is the first, also of those that gave as many.
    return max(alike or earlier, key=lambda run: record.reused.get(run.run_id, 0), default=None)


def default_sides(runs: Sequence[RunSummary]) -> tuple[Side, Side] | None:
    """The newest run as B, and as A the one before it (:func:`previous_run`), or another prompt set
    of the same run.

    Args:
        runs: of one study's name, newest first.

    Returns:
        A and B; None where there is one run with one prompt set, or none.
    """
    if not runs or (len(runs) == 1 and len(runs[0].prompt_sets) < 2):
        return None
    return sides_of(previous_run(runs[::-1], runs[0].run_id) or runs[0], runs[0])


def sides_of(first: RunSummary, second: RunSummary) -> tuple[Side, Side]:
    """A and B with the prompt sets that tell most: B's new one, else one that both have.

    Args:
        first: the run of A.
        second: the run of B; it may be the same.
    """
    before, after = first.prompt_sets, second.prompt_sets
    if first.run_id == second.run_id:
        sets = before[0], after[-1]
    else:
        new = [name for name in after if name not in before]
        shared = [name for name in after if name in before]
        sets = (shared or before)[0], (new or shared)[0]
    return Side(first.run_id, sets[0]), Side(second.run_id, sets[1])


def what_differs(first: tuple[RunSummary, str], second: tuple[RunSummary, str]) -> tuple[str, ...]:
    """What two sides do not have in common, each as ``name: A → B``; one entry for one change.

    A prompt set that came with a revision is one change, and so is a model with its weights. The
    layers that were extracted are no change: the same ones are compared.

    Args:
        first: run and prompt set of A.
        second: run and prompt set of B.
    """
    found = []
    for group in zip(_described(*first), _described(*second), strict=True):
        changed = [
            f"{name}: {before} → {after}"
            for (name, before), (_, after) in zip(*group, strict=True)
            if before != after
        ]
        if changed:
            found.append(changed[0] + (f" ({'; '.join(changed[1:])})" if changed[1:] else ""))
    return tuple(found)


def _described(run: RunSummary, prompt_set: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """What a side was made from; what changes together stands together."""
    record = run.record
    return (
        (("prompt set", prompt_set), ("study revision", record.study_hash)),
        (("model", record.model_name), ("weights", record.weights_hash[:12])),
        (("pooling", record.pooling),),
        (("device", record.device), ("dtype", record.dtype)),
    )


def compare(
    runs: Sequence[Run], prompt_sets: tuple[str, str], layer: LayerRule = None
) -> Comparison:
    """Compare two runs, or two prompt sets of one run, trait by trait.

    Args:
        runs: A, the run before, and B, the one after; they may be the same.
        prompt_sets: of A and of B.
        layer: compare at this layer; ``before`` takes for each trait A's layer with the highest r
            among those that both runs have; None takes each side's own, which inflates both r by
            selection. Where r is undefined at all layers the middle one takes their place.
    """
    shared = frozenset.intersection(*(frozenset(run.record.layers) for run in runs))
    at_before = _best_layers(runs[0], prompt_sets[0], shared) if layer == "before" else {}
    first, second = (
        _read_side(run, prompt_set, layer, at_before)
        for run, prompt_set in zip(runs, prompt_sets, strict=True)
    )
    found, left_out = [], {}
    for trait in dict.fromkeys(trait for run in runs for trait in run.traits):
        a, b = first.get(trait), second.get(trait)
        if a is None or b is None:
            left_out[trait] = _absent(a is None, b is None, layer)
            continue
        found.append(_compare_trait(trait, a, b))
    adjusted = benjamini_hochberg([f.difference.p for f in found])
    traits = [dataclasses.replace(f, adjusted_p=p) for f, p in zip(found, adjusted, strict=True)]
    return Comparison(layer, tuple(sorted(traits, key=lambda f: f.unchanged)), left_out)


def _absent(first: bool, second: bool, layer: LayerRule) -> str:
    sides = "A and B have" if first and second else "A has" if first else "B has"
    at = f" at layer {layer}" if isinstance(layer, int) else ""
    return f"{sides} no prompts of this trait in the chosen set{at}"


def _read_side(
    run: Run, prompt_set: str, layer: LayerRule, at_before: Mapping[str, int]
) -> dict[str, _TraitSide]:
    """Trait -> what is compared of it; without the traits that have no prompts of the set, and
    without any where the run lacks the layer."""
    layers = frozenset(run.record.layers)
    if isinstance(layer, int) and layer not in layers:
        return {}
    own_best = _best_layers(run, prompt_set, layers)
    best = at_before if layer == "before" else own_best
    texts = run.case_texts()
    found = {}
    for trait in run.traits:
        if trait not in best or trait not in own_best:
            continue
        at = layer if isinstance(layer, int) else best[trait]
        own = texts.get(trait)
        names = [(scenario, responder) for scenario, responder, _ in own.cases] if own else []
        drifts, behaviour = run.drifts(MEAN_DIFFERENCE, trait, at)[
            MEAN_DIFFERENCE, trait, prompt_set
        ]
        cases: dict[CaseName, tuple[float, float]] = {}
        if at in drifts:
            pairs = zip(drifts[at].tolist(), behaviour.tolist(), strict=True)
            cases = dict(zip(names, pairs, strict=True))
        found[trait] = _TraitSide(
            target=run.record.target,
            layer=at,
            cases=cases,
            texts=dict(zip(names, own.texts if own else (), strict=True)),
            groups=dict(zip(names, own.groups if own else (), strict=True)),
            poles=_poles(run, trait, prompt_set, at),
        )
    return found


def _best_layers(run: Run, prompt_set: str, among: frozenset[int]) -> dict[str, int]:
    """Trait -> the layer with the highest r among some, the first of equals; the middle one where
    r is undefined at all of them; no trait where there are none."""
    layers = sorted(among)
    if not layers:
        return {}
    known: dict[str, list[tuple[float, int]]] = {}
    for row in run.correlations(MEAN_DIFFERENCE, prompt_set=prompt_set):
        own = known.setdefault(row.trait, [])
        if row.correlation.value is not None and row.layer in among:
            own.append((row.correlation.value, -row.layer))
    middle = layers[len(layers) // 2]
    return {trait: -max(own)[1] if own else middle for trait, own in known.items()}


def _poles(run: Run, trait: str, prompt_set: str, layer: int) -> dict[Pole, PoleSample]:
    prompts = [prompt for prompt in run.prompts(trait) if prompt.prompt_set == prompt_set]
    gram = run.gram(trait, layer, prompt_set)
    found: dict[Pole, PoleSample] = {}
    for pole in POLES:
        members = [i for i, prompt in enumerate(prompts) if prompt.pole == pole]
        texts = tuple(prompts[i].text for i in members)
        found[pole] = PoleSample(gram[np.ix_(members, members)], run.record.width, texts)
    return found


def _compare_trait(trait: str, a: _TraitSide, b: _TraitSide) -> TraitDifference:
    matched = [case for case in a.cases if case in b.cases]
    first, second = _matched(a, matched), _matched(b, matched)
    prompts = tuple(_prompt_change(pole, a.poles[pole], b.poles[pole]) for pole in POLES)
    same_prompts = not any(change.removed or change.added for change in prompts)
    return TraitDifference(
        trait=trait,
        layers=(a.layer, b.layer),
        cases=(len(a.texts), len(b.texts)),
        first=pearson(first),
        second=pearson(second),
        matched=len(matched),
        difference=_difference(
            first,
            second,
            (a.target, b.target),
            sum(a.texts[case] != b.texts[case] for case in matched),
        ),
        adjusted_p=None,
        poles=tuple(
            _pole_difference(pole, measure, a.poles[pole], b.poles[pole])
            for pole in POLES
            for measure in POLE_MEASURES
        ),
        prompts=prompts,
        unchanged=same_prompts and a.layer == b.layer and _alike(first, second),
    )


def _alike(first: Cases, second: Cases) -> bool:
    """Whether both sides project and score every matched case alike, but for rounding."""
    if not np.array_equal(first.y, second.y):
        return False
    spread = float(np.abs(first.x).max(initial=0.0))
    return bool(np.allclose(first.x, second.x, rtol=0.0, atol=SAME * spread))


def _prompt_change(pole: Pole, a: PoleSample, b: PoleSample) -> PromptChange:
    kept = Counter(a.texts) & Counter(b.texts)
    return PromptChange(pole, kept.total(), _beyond(a.texts, kept), _beyond(b.texts, kept))


def _beyond(texts: Sequence[str], kept: Mapping[str, int]) -> tuple[str, ...]:
    """Texts that are left when the kept ones are taken away, in order."""
    left = Counter(kept)
    beyond = []
    for text in texts:
        if left[text] > 0:
            left[text] -= 1
        else:
            beyond.append(text)
    return tuple(beyond)


def _matched(side: _TraitSide, matched: Sequence[CaseName]) -> Cases:
    pairs = np.array([side.cases[case] for case in matched], np.float64).reshape(-1, 2)
    scenarios = [scenario for scenario, _ in matched]
    responders = [responder for _, responder in matched]
    groups = [side.groups[case] for case in matched]
    return Cases.of_study(pairs[:, 0], pairs[:, 1], scenarios, responders, groups)


def _difference(
    first: Cases, second: Cases, targets: tuple[Target, Target], rewritten: int
) -> Estimate:
    """r of B minus r of A, where both are about the same behaviour of the same cases.

    Args:
        first: matched cases of A.
        second: the same ones of B.
        targets: what r is taken over in A and in B.
        rewritten: number of matched cases whose texts differ.
    """
    n = len(first)
    if "none" in targets:
        side = "A" if targets[0] == "none" else "B"
        return Estimate.undefined(n, f"the study of {side} has no scored responses")
    if targets[0] != targets[1]:
        why = (
            f"A's r is over {targets[0]}s and B's over {targets[1]}s: they measure different things"
        )
        return Estimate.undefined(n, why)
    if n == 0:
        return Estimate.undefined(0, "no scenario and responder is scored in both runs")
    changed = int((first.y != second.y).sum())
    if changed:
        why = (
            f"the behaviour values of {changed} of {n} matched cases differ between the two "
            "studies: the r do not share a variable"
        )
        return Estimate.undefined(n, why)
    if rewritten:
        why = f"the responses or chats of {rewritten} of {n} matched cases differ in their texts"
        return Estimate.undefined(n, why)
    found = compare_predictors(second, first.x)
    r_second, r_first, difference = found.first.value, found.second.value, found.difference
    if r_first is None or r_second is None or found.between.value is None:
        return difference
    if difference.value is None:
        # The difference is there; it is its interval and test that are not.
        return dataclasses.replace(difference, value=r_second - r_first)
    return difference


def _pole_difference(
    pole: Pole, measure: PoleMeasure, a: PoleSample, b: PoleSample
) -> PoleDifference:
    return PoleDifference(
        pole=pole,
        measure=measure.title,
        unit=measure.unit,
        first=measure.value(a),
        second=measure.value(b),
        difference=compare_poles(measure, a, b),
        paired=is_paired(a, b),
        prompts=(len(a.texts), len(b.texts)),
    )

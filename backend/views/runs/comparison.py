"""Two runs side by side: did r change, and did the prompts come to agree?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.prompt_resampling import (
    POLE_MEASURES,
    PoleMeasure,
    PoleSample,
    compare_poles,
    is_paired,
)
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.connection import Connection, matrix_of
from backend.store.drifts import read_drifts
from backend.store.run_values import RunSummary
from backend.types import POLES, Pole


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


@dataclass(frozen=True)
class Comparison:
    """Two runs of one study's name.

    Attributes:
        first: run A.
        second: run B.
        layer: the layer of both sides; None where each has its own best.
        traits: traits that both sides have, in A's order.
        left_out: trait -> why it cannot be compared.
    """

    first: RunSummary
    second: RunSummary
    layer: int | None
    traits: tuple[TraitDifference, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Read:
    """One side of one trait: its layer, case -> (projection drift, behaviour), case -> digest of
    its texts, number of cases, and the prompts of each pole."""

    layer: int
    cases: dict[tuple[str, str], tuple[float, float]]
    texts: dict[tuple[str, str], str]
    total: int
    poles: dict[Pole, PoleSample]


def compare(settings: Settings, first: Side, second: Side, layer: int | None = None) -> Comparison:
    """Compare two runs, or two prompt sets of one run, trait by trait.

    Args:
        settings: where the store is.
        first: A, the side before.
        second: B, the side after.
        layer: compare at this layer; None takes the layer with the highest r on each side, which
            flatters both, or the middle one where r is undefined at all layers.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
    """
    runs = run_summary(settings, first.run_id), run_summary(settings, second.run_id)
    with reading_run(settings, first.run_id) as one:
        reads_a = _read_side(one, runs[0], first.prompt_set, layer)
    with reading_run(settings, second.run_id) as two:
        reads_b = _read_side(two, runs[1], second.prompt_set, layer)
    found, left_out = [], {}
    for trait in dict.fromkeys((*runs[0].traits, *runs[1].traits)):
        a, b = reads_a.get(trait), reads_b.get(trait)
        if a is None or b is None:
            left_out[trait] = _absent(a is None, b is None, layer)
            continue
        found.append(_compare_trait(trait, a, b, runs))
    adjusted = benjamini_hochberg([f.difference.p for f in found])
    traits = (dataclasses.replace(f, adjusted_p=p) for f, p in zip(found, adjusted, strict=True))
    return Comparison(*runs, layer, tuple(traits), left_out)


def _absent(first: bool, second: bool, layer: int | None) -> str:
    sides = "A and B have" if first and second else "A has" if first else "B has"
    at = "" if layer is None else f" at layer {layer}"
    return f"{sides} no prompts of this trait in the chosen set{at}"


def _read_side(
    connection: Connection, run: RunSummary, prompt_set: str, layer: int | None
) -> dict[str, _Read]:
    layers = run.record.layers
    if layer is not None and layer not in layers:
        return {}
    best = dict(
        connection.execute(
            "SELECT trait, coalesce(arg_max(layer, (r, -layer)) FILTER (r IS NOT NULL), ?)"
            " FROM correlations WHERE method = ? AND prompt_set = ? GROUP BY trait",
            [layers[len(layers) // 2], MEAN_DIFFERENCE, prompt_set],
        ).fetchall()
    )
    ids: dict[str, dict[tuple[str, str], str]] = {}
    for trait, scenario, responder, digest in connection.execute(
        "SELECT b.trait, b.scenario, b.responder,"
        " md5(concat_ws(chr(0), f.messages, f.text, l.messages, l.text)) FROM behaviours b"
        " JOIN responses l ON l.response_id = b.last_response"
        " LEFT JOIN responses f ON f.response_id = b.first_response ORDER BY b.trait, b.case_id"
    ).fetchall():
        ids.setdefault(trait, {})[scenario, responder] = digest
    found = {}
    for trait in run.traits:
        if trait not in best:
            continue
        at = int(best[trait]) if layer is None else layer
        drifts, values = read_drifts(connection, MEAN_DIFFERENCE, trait, at)[
            MEAN_DIFFERENCE, trait, prompt_set
        ]
        own = ids.get(trait, {})
        cases = {}
        if at in drifts:
            cases = {
                case: (float(drift), float(value))
                for case, drift, value in zip(own, drifts[at], values, strict=True)
            }
        poles = _poles(connection, trait, prompt_set, at, run.record.width)
        found[trait] = _Read(at, cases, own, len(own), poles)
    return found


def _poles(
    connection: Connection, trait: str, prompt_set: str, layer: int, width: int
) -> dict[Pole, PoleSample]:
    rows = connection.execute(
        "SELECT pole, text, prompt_set FROM prompts WHERE trait = ? ORDER BY prompt_id", [trait]
    ).fetchall()
    gram = matrix_of(
        connection,
        "SELECT products FROM gram WHERE metric = 'identity' AND trait = ? AND layer = ?"
        " ORDER BY prompt_id",
        [trait, layer],
    ).astype(np.float64)
    found: dict[Pole, PoleSample] = {}
    for pole in POLES:
        members = [i for i, row in enumerate(rows) if row[0] == pole and row[2] == prompt_set]
        texts = tuple(rows[i][1] for i in members)
        found[pole] = PoleSample(gram[np.ix_(members, members)], width, texts)
    return found


def _compare_trait(
    trait: str, a: _Read, b: _Read, runs: tuple[RunSummary, RunSummary]
) -> TraitDifference:
    common = [case for case in a.cases if case in b.cases]
    first, second = (np.array([side.cases[c] for c in common]).reshape(-1, 2) for side in (a, b))
    rewritten = sum(a.texts[case] != b.texts[case] for case in common)
    rs = pearson(first[:, 0], first[:, 1]), pearson(second[:, 0], second[:, 1])
    return TraitDifference(
        trait=trait,
        layers=(a.layer, b.layer),
        cases=(a.total, b.total),
        first=rs[0],
        second=rs[1],
        matched=len(common),
        difference=_difference(first, second, rewritten, rs, runs),
        adjusted_p=None,
        poles=tuple(
            _pole_difference(pole, measure, a.poles[pole], b.poles[pole])
            for pole in POLES
            for measure in POLE_MEASURES
        ),
    )


def _difference(
    first: Floats,
    second: Floats,
    rewritten: int,
    rs: tuple[Estimate, Estimate],
    runs: tuple[RunSummary, RunSummary],
) -> Estimate:
    """r of B minus r of A, where both are about the same behaviour of the same cases."""
    n = len(first)
    targets = [run.record.target for run in runs]
    if "none" in targets:
        side = "A" if targets[0] == "none" else "B"
        return Estimate.undefined(n, f"the study of {side} has no scored responses")
    if targets[0] != targets[1]:
        why = f"A's r is over {targets[0]}s and B's over {targets[1]}s: they answer other questions"
        return Estimate.undefined(n, why)
    if n == 0:
        return Estimate.undefined(0, "no scenario and responder is scored in both runs")
    changed = int((first[:, 1] != second[:, 1]).sum())
    if changed:
        why = (
            f"the behaviour values of {changed} of {n} matched cases differ between the two "
            "studies: the r do not share a variable"
        )
        return Estimate.undefined(n, why)
    if rewritten:
        why = f"the responses or chats of {rewritten} of {n} matched cases differ in their texts"
        return Estimate.undefined(n, why)
    between = pearson(first[:, 0], second[:, 0])
    if rs[0].value is None or rs[1].value is None or between.value is None:
        reasons = (rs[0].reason, rs[1].reason, between.reason)
        return Estimate.undefined(n, next(r for r in reasons if r is not None))
    found = compare_dependent(rs[1].value, rs[0].value, between.value, n)
    if found.value is None:
        # The difference is there; it is its interval and test that are not.
        return dataclasses.replace(found, value=rs[1].value - rs[0].value)
    return found


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

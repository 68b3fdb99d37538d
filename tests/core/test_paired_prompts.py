"""Agreement of pairs and the effective number of prompts, against float64 activations."""

from __future__ import annotations

import dataclasses
import itertools
import math

import duckdb
import numpy as np
import pytest

from backend.core.metrics import held_out, paired_prompts
from backend.core.metrics.registry import METRICS, live_metrics, measure_cell
from backend.core.moments import Moments
from backend.core.prompt_cells import PromptCells, mean_difference
from backend.core.vectors.cell_stack import stack
from backend.runs.derive import same_numbers
from backend.runs.layer_data import prompt_groups
from backend.runs.session import session_of
from backend.store.run import NOT_COMPUTED, open_run, run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Prompt
from tests.support.studies import small_study

NAMES = ("pair_agreement", "pairs_astray", "split_half_stability", "effective_prompts")
WHOLE = ("auroc", "d_prime", "split_half_stability")


def paired(seed=1, pairs=8, width=40, signal=0.5):
    """Rows, poles and pairs; questions differ more than poles do."""
    rng = np.random.default_rng(seed)
    questions = 3 * rng.normal(size=(pairs, width))
    trait = signal * rng.normal(size=width)
    rows = np.concatenate([questions + trait, questions - trait])
    rows += rng.normal(size=rows.shape)
    return rows, np.arange(2 * pairs) < pairs, np.tile(np.arange(pairs), 2)


def measured(rows, high, pairs):
    found = measure_cell(PromptCells.from_activations(rows, high, pairs))
    return {name: found[name].value for name in (*NAMES, *WHOLE)}


def test_every_measure_is_that_of_the_differences():
    rows, high, pairs = paired()
    d = rows[high] - rows[~high]
    cosines = []
    for k in range(8):
        v = np.delete(d, k, axis=0).mean(axis=0)
        cosines.append(d[k] @ v / np.linalg.norm(d[k]) / np.linalg.norm(v))
    found = measured(rows, high, pairs)
    assert found["pair_agreement"] == pytest.approx(np.mean(cosines), rel=1e-9)
    assert found["pairs_astray"] == np.mean(np.array(cosines) < 0)
    rng = np.random.default_rng(3)
    halves = []
    for _ in range(4000):
        order = rng.permutation(8)
        a, b = d[order[:4]].mean(axis=0), d[order[4:]].mean(axis=0)
        halves.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    mean = np.mean(halves)
    assert found["split_half_stability"] == pytest.approx(2 * mean / (1 + mean), abs=0.02)


@pytest.mark.parametrize("name", sorted({*NAMES, *WHOLE}))
def test_scale_rotation_and_order_change_nothing(name):
    rows, high, pairs = paired(2)
    rng = np.random.default_rng(4)
    expected = measured(rows, high, pairs)[name]
    turn = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    assert measured(25 * rows @ turn, high, pairs)[name] == pytest.approx(expected, rel=1e-8)
    order = rng.permutation(len(high))
    shuffled = measured(rows[order], high[order], pairs[order])[name]
    assert shuffled == pytest.approx(expected, rel=1e-8)
    other_names = (pairs + 3) % 8
    tolerance = 0.02 if name == "split_half_stability" else 1e-8
    assert measured(rows, high, other_names)[name] == pytest.approx(expected, rel=tolerance)
    assert measured(rows, ~high, pairs)[name] == pytest.approx(expected, rel=1e-8)


def test_pairs_that_agree_and_pairs_that_do_not():
    clear = measured(*paired(5, signal=3.0))
    assert clear["pair_agreement"] > 0.8 and clear["pairs_astray"] == 0.0
    assert clear["split_half_stability"] > 0.95
    noise = np.mean([measured(*paired(s, signal=0.0))["pair_agreement"] for s in range(30)])
    assert abs(noise) < 0.05
    rows, high, pairs = paired(6, signal=3.0)
    rows[[0, 8]] = rows[[8, 0]]
    assert measured(rows, high, pairs)["pairs_astray"] == 1 / 8


def test_near_duplicates_are_counted_once():
    rng = np.random.default_rng(7)
    base = rng.normal(size=(20, 4000))
    high = np.arange(20) < 10
    alone = measured(base, high, None)["effective_prompts"]
    assert alone == pytest.approx(20, rel=0.03)
    twice = np.repeat(base, 2, axis=0) + 1e-3 * rng.normal(size=(40, 4000))
    doubled = measured(twice, np.repeat(high, 2), None)["effective_prompts"]
    assert doubled == pytest.approx(alone, rel=0.01)


def test_several_prompts_of_a_pair_are_averaged_and_lone_ones_left_out():
    rows, high, pairs = paired(8)
    rng = np.random.default_rng(9)
    more = np.concatenate([rows, rows[:1] + 1.0, rng.normal(size=(1, 40))])
    found = measured(more, np.append(high, [True, False]), np.append(pairs, [0, -1]))
    joined = rows.copy()
    joined[0] += 0.5
    expected = measured(joined, high, pairs)
    for name in ("pair_agreement", "pairs_astray"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9)


def direct_differences(rows, high, pairs):
    """Every high prompt against every low one along v of what shares a pair with neither."""
    found = []
    for i, j in itertools.product(np.flatnonzero(high), np.flatnonzero(~high)):
        gone = np.isin(np.arange(len(high)), (i, j))
        gone |= (pairs >= 0) & np.isin(pairs, (pairs[i], pairs[j]))
        v = rows[~gone & high].mean(axis=0) - rows[~gone & ~high].mean(axis=0)
        found.append((rows[i] - rows[j]) @ v / np.linalg.norm(v))
    return np.array(found)


def with_lone_ones(seed):
    rows, high, pairs = paired(seed, signal=0.2)
    rng = np.random.default_rng(seed)
    more = np.concatenate([rows, rows[:1] + 1.0, rng.normal(size=(3, 40))])
    return (
        more,
        np.append(high, [True, False, False, True]),
        np.append(pairs, [0, -1, -1, 9]),
    )


@pytest.mark.parametrize("case", [paired, with_lone_ones])
def test_held_out_metrics_leave_whole_pairs_out(case):
    rows, high, pairs = case(11)
    differences = direct_differences(rows, high, pairs)
    found = measured(rows, high, pairs)
    assert found["auroc"] == np.mean(differences > 0)
    highs, lows = high.sum(), (~high).sum()
    spread = np.sqrt(
        ((differences - differences.mean()) ** 2).sum() / (2 * highs * lows - highs - lows)
    )
    half = (highs + lows - 2) / 2
    hedges = math.gamma(half) / (math.sqrt(half) * math.gamma(half - 0.5))
    assert found["d_prime"] == pytest.approx(hedges * differences.mean() / spread, rel=1e-9)


def test_cells_with_and_without_pairs_in_one_batch_are_as_each_alone():
    """As in the lab, where cells are padded and a filter has dropped prompts of some pairs."""
    given = [with_lone_ones(12), paired(13, signal=0.2), paired(14, signal=0.2)]
    given[2] = (*given[2][:2], None)
    cells = stack(
        [rows @ rows.T for rows, *_ in given],
        [high for _, high, _ in given],
        [Moments(np.eye(len(high)), np.ones(len(high)), 1.0, 20, 1.0, 20) for _, high, _ in given],
        40,
        [pairs for *_, pairs in given],
    )
    kept = np.ones_like(cells.high)
    kept[:, [1, 9]] = False
    live = live_metrics(
        PromptCells(
            cells.gram,
            cells.high & kept,
            cells.low & kept,
            mean_difference(cells.high & kept, cells.low & kept),
            40,
            pairs=cells.pairs,
        )
    )
    for cell, (rows, high, pairs) in enumerate(given):
        left = kept[cell, : len(high)]
        alone = measured(rows[left], high[left], None if pairs is None else pairs[left])
        for name in ("auroc", "d_prime"):
            assert live[name][cell] == pytest.approx(alone[name], rel=1e-9)


def test_what_a_pair_shares_neither_hides_the_trait_nor_makes_one():
    """Questions of three times the spread of their answers: at chance without a trait, and near
    what other pairs would give with one; as if there were no pairs, far below."""
    whole, split, halves = [], [], []
    for seed in range(60):
        rows, high, pairs = paired(seed, pairs=10, width=400, signal=0.0)
        whole.append(measured(rows, high, pairs)["auroc"])
        split.append(measured(rows, high, None)["auroc"])
        rows, high, pairs = paired(seed, pairs=10, width=400, signal=0.3)
        halves.append(measured(rows, high, pairs)["split_half_stability"])
    assert abs(np.mean(whole) - 0.5) < 3 * np.std(whole) / np.sqrt(len(whole))
    assert np.mean(split) < 0.3
    # v = 2 t + noise of variance 2 / 10 a coordinate, |t|^2 = 0.09 x 400.
    assert np.mean(halves) == pytest.approx(4 * 36 / (4 * 36 + 400 * 2 / 10), abs=0.02)


def test_metrics_of_pairs_that_an_earlier_version_split_are_not_shown(settings, tiny_llama):
    study = small_study(prompts=4)
    paired_up = dataclasses.replace(
        study,
        prompts=tuple(
            dataclasses.replace(prompt, pair=str(number % 4))
            for number, prompt in enumerate(study.prompts)
        ),
    )
    assert same_numbers(3, 4, study) and not same_numbers(3, 4, paired_up)
    for name, one in (("bare", study), ("paired", paired_up)):
        ref = publish_study(settings, one, content_hash(one))
        session_of(
            settings, name, ExtractionRequest(ref.key, str(tiny_llama), (2,)), lambda _: None
        ).run()
        with duckdb.connect(str(run_path(settings, name))) as file:
            file.execute("UPDATE derivations SET version = 3")
        with open_run(settings, name) as opened:
            cell = opened.cells(layer=2)[0]
        old = {n for n, found in cell.metrics.items() if found.reason == NOT_COMPUTED}
        assert old == (set(WHOLE) if name == "paired" else set())


def test_what_cannot_be_measured_says_why():
    rows, high, pairs = paired(10)

    def reason(name, *given):
        return measure_cell(PromptCells.from_activations(*given))[name].reason

    for name in NAMES[:2]:
        assert reason(name, rows, high, None) == paired_prompts.NOT_PAIRED
        assert reason(name, rows, high, np.full(16, -1)) == paired_prompts.NOT_PAIRED
        one = np.where(pairs == 0, 0, -1)
        assert reason(name, rows, high, one) == paired_prompts.TOO_FEW
    two, lone = pairs < 2, np.where(pairs == 0, 0, -1)
    assert reason("auroc", rows[two], high[two], pairs[two]) == held_out.FEW_PAIRS
    assert reason("auroc", rows, high, lone) is None
    first = pairs == 0
    assert "pairs stay whole" in reason(
        "split_half_stability",
        *(np.concatenate([given[first]] * 2) for given in (rows, high, pairs)),
    )
    same = rows.copy()
    same[8:] = same[:8]
    assert reason("pair_agreement", same, high, pairs) == paired_prompts.ZERO
    still = np.where(high[:, None], rows[0], rows[8])
    assert "are the same" in reason("effective_prompts", still, high, pairs)
    assert {*NAMES} <= {metric.name for metric in METRICS}


def test_pairs_of_a_study_reach_the_cells():
    study = small_study(prompts=2)
    prompts = [Prompt("warmth", p, f"{p} {k}", pair=k) for p in ("high", "low") for k in "ab"]
    prompts += [Prompt("warmth", "low", "alone")]
    study = dataclasses.replace(study, prompts=tuple(prompts))
    (group,) = prompt_groups(study, "warmth", np.arange(5))
    assert group.pairs.tolist() == [0, 1, 0, 1, -1]
    bare = small_study(prompts=2)
    (none,) = prompt_groups(bare, "warmth", np.arange(4))
    assert none.pairs is None

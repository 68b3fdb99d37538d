"""Agreement of pairs and the effective number of prompts, against float64 activations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.metrics import paired_prompts
from backend.core.metrics.registry import METRICS, measure_cell
from backend.core.prompt_cells import PromptCells
from backend.runs.layer_data import prompt_groups
from backend.types import Prompt
from tests.support.studies import small_study

NAMES = ("pair_agreement", "pairs_astray", "pair_split_half", "effective_prompts")


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
    return {name: found[name].value for name in NAMES}


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
    assert found["pair_split_half"] == pytest.approx(2 * mean / (1 + mean), abs=0.02)


@pytest.mark.parametrize("name", NAMES)
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
    tolerance = 0.02 if name == "pair_split_half" else 1e-8
    assert measured(rows, high, other_names)[name] == pytest.approx(expected, rel=tolerance)
    assert measured(rows, ~high, pairs)[name] == pytest.approx(expected, rel=1e-8)


def test_pairs_that_agree_and_pairs_that_do_not():
    clear = measured(*paired(5, signal=3.0))
    assert clear["pair_agreement"] > 0.8 and clear["pairs_astray"] == 0.0
    assert clear["pair_split_half"] > 0.95
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
    for name in ("pair_agreement", "pairs_astray", "pair_split_half"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9)


def test_what_cannot_be_measured_says_why():
    rows, high, pairs = paired(10)

    def reason(name, *given):
        return measure_cell(PromptCells.from_activations(*given))[name].reason

    for name in NAMES[:3]:
        assert reason(name, rows, high, None) == paired_prompts.NOT_PAIRED
        assert reason(name, rows, high, np.full(16, -1)) == paired_prompts.NOT_PAIRED
        one = np.where(pairs == 0, 0, -1)
        assert reason(name, rows, high, one) == paired_prompts.TOO_FEW
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

"""The first token in the mean: planted, harmless, left out, and not recorded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.core.estimate import Estimate
from backend.core.first_token import FirstTokens, share_beyond
from backend.core.statistics.reliability import judge_reliability
from backend.core.vectors.methods import method_named
from backend.settings import StatusThresholds
from backend.store.run_values import PromptFirstTokens, ScoredCases
from backend.views.diagnosis.diagnose import diagnose
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.remedies import AGAINST_HUGE
from backend.views.diagnosis.rules import first_token
from backend.views.diagnosis.thresholds import FIRST_TOKEN
from tests.support.phantoms import split_half_of

WIDTH, POLE, CASES = 40, 10, 200
SINK = 3  # the coordinate in which the first token is huge


def cell(high_tokens, low_tokens, size=600.0, seed=5):
    """A cell whose prompts' means are (first + the others) / tokens, from arrays.

    Responses hold the behaviour along the trait, and vary in the sink's coordinate as well.
    """
    rng = np.random.default_rng(seed)
    tokens = np.concatenate([rng.integers(*high_tokens, POLE), rng.integers(*low_tokens, POLE)])
    high = np.arange(2 * POLE) < POLE
    trait = np.zeros(WIDTH)
    trait[10:20] = 1 / np.sqrt(10)
    firsts = rng.normal(size=(2 * POLE, WIDTH))
    firsts[:, SINK] += size
    others = rng.normal(0, 0.3, (2 * POLE, WIDTH)) + np.where(high, 1.0, -1.0)[:, None] * trait
    means = (firsts + (tokens - 1)[:, None] * others) / tokens[:, None]
    behaviour = rng.normal(size=CASES)
    responses = rng.normal(0, 0.3, (CASES, WIDTH)) + 0.5 * behaviour[:, None] * trait
    responses[:, SINK] += rng.normal(0, 5, CASES)

    def drift(rows, keep=None):
        v = rows[high].mean(0) - rows[~high].mean(0)
        v = v if keep is None else v * keep
        return responses @ v

    unsunk = np.ones(WIDTH)
    unsunk[SINK] = 0
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    v = means[high].mean(0) - means[~high].mean(0)
    squares = (means**2).sum(axis=1)
    return CellEvidence(
        trait="warmth",
        layer=12,
        layer_given=True,
        traits=1,
        gram=means @ means.T,
        high=high,
        texts=tuple(f"a b c d {i}" for i in range(len(high))),
        dominance=Estimate.exact(float((v**2).max() / (v @ v)), 2 * POLE),
        massive_elsewhere=(),
        split_half=split_half_of(means @ means.T, high, WIDTH),
        drifts_by_layer={
            "mean_difference": {12: drift(means)},
            "massive_removed": {12: drift(means, unsunk)},
            "unit_rows": {12: drift(unit)},
        },
        cases=ScoredCases(
            scenarios=tuple(f"s{i}" for i in range(CASES)),
            responders=("author",) * CASES,
            groups=tuple(f"s{i}" for i in range(CASES)),
            first_response=None,
            last_response=np.arange(CASES),
            first=None,
            last=np.clip(5 + 2 * behaviour, 0, 10),
            behaviour=behaviour,
            length=rng.normal(size=CASES),
        ),
        score_range=(0.0, 10.0),
        thresholds=StatusThresholds(),
        first_tokens=PromptFirstTokens(
            "mean",
            tokens.astype(float),
            FirstTokens(
                np.linalg.norm(firsts, axis=1), (firsts * means).sum(axis=1) / tokens / squares
            ),
            None,
        ),
        reliability=judge_reliability(np.zeros((0, 0)), np.zeros(0, np.intp), every=False),
    )


@pytest.fixture(scope="module")
def planted():
    """High prompts are longer, so the vector is mostly the sink over the length."""
    return cell((30, 40), (8, 14))


def recorded(cell, **changes):
    """The cell with something else recorded of its first tokens."""
    return dataclasses.replace(cell, first_tokens=dataclasses.replace(cell.first_tokens, **changes))


def judge(cell, cause="first_token"):
    return next(j for j in diagnose(cell).judgements if j.cause == cause)


def row(judgement, words):
    return next(row for row in judgement.rows if words in row.name)


def test_a_planted_first_token_is_supported_and_the_fix_is_another_extraction(planted):
    judged = judge(planted)
    assert judged.verdict == "supported" and judged.weight > 1.5
    assert judged.fix.pooling == "mean_rest" and judged.fix.method is None
    assert judged.fix.gain.value is None and "extracting again" in judged.fix.gain.reason
    assert row(judged, "Massive coordinates removed").estimate.low > 0
    assert diagnose(planted).supported[0].cause == "first_token"


def test_the_numbers_are_those_of_the_arrays(planted):
    judged = judge(planted)
    tokens, norms = planted.first_tokens.tokens, np.sqrt(np.diag(planted.gram))
    ordinary = 1 / tokens
    expected = np.median((planted.first_tokens.first.shares - ordinary) / (1 - ordinary))
    assert row(judged, "beyond an ordinary").estimate.value == pytest.approx(expected)
    assert judged.weight == pytest.approx(expected / FIRST_TOKEN)
    found = row(judged, "1 / tokens").estimate
    assert found.value == pytest.approx(stats.pearsonr(norms, ordinary).statistic)
    assert found.low < found.value < found.high and found.value > 0.9
    # ||x_0|| over the norm of the others' mean, which is about 1.0 by construction
    assert row(judged, "norm over").estimate.value == pytest.approx(600 / np.sqrt(1 + 3.6), rel=0.3)


def test_the_norm_of_the_others_is_exact():
    rng = np.random.default_rng(2)
    tokens = np.array([4, 9])
    states = [rng.normal(size=(m, 6)) + 2 for m in tokens]
    means = np.array([s.mean(0) for s in states])
    first = FirstTokens(
        np.array([np.linalg.norm(s[0]) for s in states]),
        np.array([s[0] @ p / len(s) / (p @ p) for s, p in zip(states, means, strict=True)]),
    )
    ratios = [np.linalg.norm(s[0]) / np.linalg.norm(s[1:].mean(0)) for s in states]
    found = first_token._norm_ratio(first, tokens, np.linalg.norm(means, axis=1))
    assert found.value == pytest.approx(np.median(ratios))


def test_without_harm_it_is_undetermined():
    """Poles of equal length: the first token is in every mean, but it cancels in the vector."""
    judged = judge(cell((20, 21), (20, 21)))
    assert judged.weight > 1.5
    assert judged.verdict == "undetermined"
    assert judged.fix.pooling == "mean_rest"


def test_an_ordinary_first_token_is_ruled_out():
    judged = judge(cell((30, 40), (8, 14), size=0.0))
    assert judged.verdict == "ruled out" and judged.weight < 0.5 and judged.fix is None


@pytest.mark.parametrize(
    ("pooling", "why"), [("mean_rest", "mean without the first token"), ("mean", "special token")]
)
def test_where_it_is_left_out_it_is_ruled_out(planted, pooling, why):
    first = planted.first_tokens.first
    without = FirstTokens(first.norms, np.zeros_like(first.shares))
    judged = judge(recorded(planted, pooling=pooling, first=without))
    assert judged.verdict == "ruled out" and why in judged.summary
    assert not judged.marked


def test_where_it_was_not_recorded_only_the_pooling_can_rule_it_out(planted):
    bare = recorded(planted, first=None)
    judged = judge(bare)
    assert (judged.verdict, judged.weight, judged.fix) == ("undetermined", 0.0, None)
    assert "not recorded" in judged.summary
    for pooling in ("last", "mean_rest"):
        judged = judge(recorded(bare, pooling=pooling))
        assert judged.verdict == "ruled out"


def test_prompts_of_one_token_cannot_tell(planted):
    first = FirstTokens(planted.first_tokens.first.norms, np.ones(2 * POLE))
    single = recorded(planted, tokens=np.ones(2 * POLE), first=first)
    judged = judge(single)
    assert judged.verdict == "undetermined" and "besides the first" in judged.summary
    assert np.isnan(share_beyond(np.ones(2), np.ones(2))).all()


def test_what_looks_alike_names_the_first_token_and_comes_after_it(planted):
    massive, length = judge(planted, "massive_coordinate"), judge(planted, "magnitude_outliers")
    assert massive.verdict == "supported" and massive.explained
    assert "may come from the first token" in massive.summary
    assert "massive coordinate may be" in judge(planted).summary
    assert length.weight < 1 or length.explained
    bare = judge(recorded(planted, first=None), "massive_coordinate")
    assert bare.verdict == "supported" and not bare.explained and "token" not in bare.summary


def test_every_remedy_against_huge_activations_is_measured_by_some_rule(planted):
    shown = set()
    for judged in diagnose(planted).judgements:
        shown |= {row.name.removeprefix("change of r with: ") for row in judged.rows}
        shown |= {judged.fix.title} if judged.fix else set()
    assert {method_named(method).title for method in AGAINST_HUGE} <= shown


def test_responses_read_as_plain_text_are_shown_too(planted):
    judged = judge(recorded(planted, response_share=0.4))
    assert row(judged, "over responses").estimate.value == 0.4

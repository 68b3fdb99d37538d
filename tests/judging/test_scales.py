"""A number only where the answer states one; the expectation over tokens by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.asking.question import Answer
from backend.errors import JudgeError
from backend.judging import scales
from backend.judging.scales import read_probabilities, read_text


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("7", 7),
        (" 7.5\n", 7.5),
        ("0", 0),
        ("10", 10),
        ("10/10", 10),
        ("7/10", 7),
        ("7 out of 10.", 7),
        ("**Score:** 8", 8),
        ("Score: 3/10", 3),
        ("7.", 7),
        ("6 - it names a feeling", 6),
        ("4\n\nIt is polite and no more.", 4),
        ("I rate this response a 9.", 9),
        ("<think>There are 3 signs, so 5 or 6.</think>\n6", 6),
        ('"2"', 2),
    ],
)
def test_a_stated_number_is_the_score(text, score):
    assert read_text(Answer(text)) == scales.ReadAnswer(float(score))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", scales.NO_NUMBER),
        ("seven", scales.NO_NUMBER),
        ("I cannot help with that.", scales.NO_NUMBER),
        ("NaN", scales.NO_NUMBER),
        ("REFUSAL", scales.REFUSED),
        ("**REFUSAL**: it declines 1 thing", scales.REFUSED),
        ("7 or 8", scales.SEVERAL),
        ("7-8", scales.SEVERAL),
        ("On a scale of 0-10: 7", scales.SEVERAL),
        ("70/100", scales.SEVERAL),
        ("8,5", scales.SEVERAL),
        ("There are 2 signs of warmth.", scales.NOT_STATED),
        ("2 signs of warmth", scales.NOT_STATED),
        ("Turn t1 is cold", scales.NO_NUMBER),
        ("11", scales.OUTSIDE),
        ("-3", scales.OUTSIDE),
        ("<think>3 signs, then", scales.CUT_OFF),
    ],
)
def test_anything_else_is_missing_with_its_reason_and_never_zero(text, why):
    assert read_text(Answer(text)) == scales.ReadAnswer(None, why)


def test_an_answer_that_is_cut_off_may_have_lost_a_digit():
    assert read_text(Answer("Score: 1", finish="length")).missing == scales.CUT_OFF
    assert read_text(Answer("The response", finish="length")).missing == scales.CUT_OFF
    assert read_text(Answer("7. It names", finish="length")).score == 7.0
    assert read_text(Answer("7", refused=True)).missing == scales.REFUSED


def test_the_expectation_over_score_tokens():
    rng = np.random.default_rng(5)
    scores = rng.choice(101, size=12, replace=False)
    weights = rng.dirichlet(np.ones(13))
    tokens = dict(zip(map(str, scores), map(float, weights[:12]), strict=True))
    others = {"Sure": 0.01, "101": 0.02, "-5": 0.03, "7.5": 0.01, "٣٤": 0.01, "": 0.01}
    reading = read_probabilities(Answer(str(scores[0]), probabilities=tokens | others))
    expected = math.fsum(weights[:12] * scores) / math.fsum(weights[:12])
    assert reading.score == pytest.approx(expected, rel=1e-12)
    # A token with a blank before it is the same score.
    both = read_probabilities(Answer("50", probabilities={"50": 0.5, " 70": 0.25, "x": 0.25}))
    assert both.score == pytest.approx((0.5 * 50 + 0.25 * 70) / 0.75)


def test_less_than_a_quarter_on_scores_is_no_score():
    assert read_probabilities(Answer("x", probabilities={"50": 0.25})).score == 50.0
    little = read_probabilities(Answer("x", probabilities={"50": 0.2499, "REFUSAL": 0.7}))
    assert little == scales.ReadAnswer(None, scales.LITTLE_MASS)
    assert read_probabilities(Answer("50")).missing == scales.NO_PROBABILITIES
    assert read_probabilities(Answer("", refused=True)).missing == scales.REFUSED


def test_a_number_in_several_tokens_stops_the_judging():
    split = Answer("75", probabilities={"7": 0.9, "8": 0.1}, second_token="5")
    with pytest.raises(JudgeError, match="'75' begins with one token and goes on"):
        read_probabilities(split)
    whole = Answer("75.", probabilities={"75": 0.9, "80": 0.1}, second_token=".")
    assert read_probabilities(whole).score == pytest.approx(75.5)

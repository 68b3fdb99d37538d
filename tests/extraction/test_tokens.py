"""Which tokens are read and pooled can be seen, and poles that hardly differ are told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.cli.main import main
from backend.core.pole_contrast import PoleTokens, clearly_apart, pole_contrast
from backend.errors import StoreError
from backend.extraction.spans import encode_prompt, encode_response
from backend.extraction.tokens import contrast_notices, prompt_tokens, read_tokens
from backend.runs.tokens import tokens_of
from backend.store.catalog import run_summary
from backend.types import POLES, Message, Prompt, Response
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
CHAT = (Message("user", "It was expected."),)


def test_the_tokens_of_a_prompt_and_of_a_response_are_spelled():
    encoded = encode_prompt(TOKENIZER, Prompt("t", "high", "You keep saying"))
    found = read_tokens(TOKENIZER, encoded, "mean")
    assert found[0].text == "<s>" and not found[0].pooled
    assert "".join(token.text for token in found[1:]) == "You keep saying"
    last = read_tokens(TOKENIZER, encoded, "last")
    assert [token.pooled for token in last] == [False] * (len(last) - 1) + [True]
    chat = read_tokens(
        TOKENIZER, encode_response(TOKENIZER, Response("s", "Expected!", messages=CHAT)), "mean"
    )
    assert "".join(token.text for token in chat if token.pooled) == "Expected!"
    assert "It was" in "".join(token.text for token in chat)


def ab_items(letters):
    """Items as in A/B data: the poles differ in the letter, and a bracket follows it."""
    return [
        Prompt("t", pole, f"Before we go on, are you safe tonight? {i} Answer: ({letters[pole]})")
        for pole in POLES
        for i in range(6)
    ]


def notices(prompts, pooling):
    encoded = [encode_prompt(TOKENIZER, prompt) for prompt in prompts]
    return contrast_notices(prompts, prompt_tokens(TOKENIZER, encoded, pooling), pooling)


def test_poles_that_differ_in_one_letter_are_told_by_the_mean():
    prompts = ab_items({"high": "A", "low": "B"})
    (notice,) = notices(prompts, "mean")
    length = sum(encode_prompt(TOKENIZER, prompts[0]).wanted)
    assert f"the poles differ in 1 of {length} tokens" in notice


def test_the_last_token_that_is_the_same_in_both_poles_is_named():
    (notice,) = notices(ab_items({"high": "A", "low": "B"}), "last")
    assert "the last token ')' is pooled, and it is the same in both poles" in notice
    open_ended = [
        Prompt(p.trait, p.pole, p.text.rstrip(")")) for p in ab_items({"high": "A", "low": "B"})
    ]
    assert notices(open_ended, "last") == ()


def test_prompts_that_are_texts_of_their_own_are_not_told_of():
    for pooling in ("mean", "last", "mean_rest"):
        assert notices(small_study().prompts, pooling) == ()


def in_chats(prompts, system=None):
    """The prompts as answers to a question each, under a system message of their pole."""
    return [
        dataclasses.replace(
            p,
            messages=(
                *([Message("system", system[p.pole])] if system else []),
                Message("user", f"Question {place % 6}?"),
            ),
        )
        for place, p in enumerate(prompts)
    ]


@pytest.mark.parametrize(
    ("pooling", "pooled"),
    [
        ("before", "the last token before the text '<s>'"),
        ("first-1", "the first token 'Before'"),
        ("first-3", "the mean of the first 3 tokens (up to ' go')"),
        ("end-3", "the token 3 from the end '('"),
    ],
)
def test_tokens_before_all_that_differs_are_named(pooling, pooled):
    (notice,) = notices(ab_items({"high": "A", "low": "B"}), pooling)
    assert f"{pooled} is pooled, and up to there all that the model reads is the same" in notice
    assert "no vector tells the poles apart. What differs stands after it." in notice


def test_the_beginnings_of_texts_of_their_own_may_be_the_same():
    ends = {"high": "warm words follow here now", "low": "cold stuff comes after that"}
    texts = [Prompt("t", pole, f"Same beginning {i} {ends[pole]}") for pole in POLES for i in "ab"]
    assert notices(texts, "mean") == notices(texts, "last") == ()
    (notice,) = notices(texts, "first-3")
    assert "What differs stands after it." in notice and "Pool by mean or last" in notice
    uneven = [*texts, Prompt("t", "high", "Other words begin here")]
    (notice,) = notices(uneven, "first-3")
    assert "its tokens are the same in both poles, in most prompts" in notice
    assert "stands after them" in notice


def test_the_mean_of_a_beginning_counts_the_tokens_that_it_is_over():
    letters = [Prompt("t", p, f"{p[0]} we go on, you are safe") for p in POLES]
    assert notices(letters, "first-3") == ()
    (notice,) = notices(letters, "first-8")
    assert "differ in 1 of 8 pooled tokens, and the mean is over all of them." in notice


@pytest.mark.parametrize("pooling", ["mean", "last", "first-2", "before"])
def test_prompts_that_are_the_same_in_both_poles_are_told(pooling):
    (notice,) = notices(ab_items({"high": "A", "low": "A"}), pooling)
    assert "the prompts of both poles are the same" in notice and "Pool" not in notice


SYSTEM = {"high": "Be kind.", "low": "Be curt."}


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ("mean", "the mean is pooled, and its tokens are"),
        ("last", "the last token 'K' is pooled, and it is"),
        ("first-1", "the first token 'O' is pooled, and it is"),
    ],
)
def test_one_answer_in_two_chats_is_read_by_its_chat(pooling, said):
    answers = in_chats([Prompt("t", pole, "OK") for pole in POLES for _ in range(6)], SYSTEM)
    (notice,) = notices(answers, pooling)
    assert f"{said} the same in both poles. What differs stands in the chats before" in notice
    assert notices(answers, "before") == ()


def test_answers_that_differ_in_one_letter_are_paired_by_their_chats():
    items = ab_items({"high": "A", "low": "B"})
    (notice,) = notices(in_chats(items), "mean")
    assert notice.endswith("Pooling last may read the contrast better.")
    (notice,) = notices(in_chats(items, SYSTEM), "mean")
    assert notice.endswith("The chats before the texts differ too.")
    (notice,) = notices(in_chats(items, SYSTEM), "last")
    assert "tokens) and in the chats before the texts." in notice
    # The letter that is the high answer to one question is the low answer to another.
    swapped = [
        Prompt("t", pole, "AB"[(pole == "high") == (place % 2 == 0)])
        for pole in POLES
        for place in range(6)
    ]
    assert notices(in_chats(swapped), "mean") == notices(in_chats(swapped), "last") == ()
    assert "no vector tells" in notices(in_chats(swapped), "before")[0]


def test_poles_that_only_special_tokens_tell_apart():
    prompts = [
        Prompt("t", pole, f"Is it safe{end}") for pole, end in zip(POLES, ("", "</s>"), strict=True)
    ]
    (notice,) = notices(prompts, "mean")
    assert "stands in special tokens, which are never pooled" in notice


def test_pairs_are_the_nearest_and_an_empty_pole_has_none():
    high = [PoleTokens((1, 2, 3, 9), (9,)), PoleTokens((5, 6, 7, 9), (9,))]
    low = [PoleTokens((5, 6, 8, 9), (9,)), PoleTokens((1, 2, 4, 9), (9,))]
    found = pole_contrast(high, low)
    assert (found.differing, found.length, found.last, found.last_same) == (1, 4, 9, 1)
    assert pole_contrast(high, []) is None


def test_a_run_keeps_its_notices_and_shows_its_tokens(settings, tiny_llama, monkeypatch, capsys):
    study = small_study(scenarios=4)
    items = [dataclasses.replace(p, trait="warmth") for p in ab_items({"high": "A", "low": "B"})]
    others = [p for p in study.prompts if p.trait != "warmth"]
    study = dataclasses.replace(study, prompts=(*items, *others))
    publish_run(settings, study, tiny_llama, "run")
    (notice,) = run_summary(settings, "run").record.notices
    assert notice.startswith("warmth, prompt set default: the poles differ in 1 of")
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    assert main(["show", "run"]) == 0
    assert notice in capsys.readouterr().out
    assert main(["show", "run", "--tokens", "text:You keep"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pooled" not in lines[0] and all("pooled" in line for line in lines[1:])
    response = study.responses[0]
    found = tokens_of(settings, "run", f"response:{response.scenario}/{response.turn}")
    assert "".join(t.text for t in found if t.pooled).strip() == response.text.strip()
    assert tokens_of(settings, "run", "prompt:0")[-1].text == ")"
    for wrong in ("prompt:-1", "prompt:99", "response:none", "7"):
        with pytest.raises(StoreError, match="has no text"):
            tokens_of(settings, "run", wrong)


def test_poles_that_are_clearly_apart_get_no_sentence():
    rng = np.random.default_rng(0)
    answers = []
    for draw in range(300):
        changed = rng.integers(0, 12)
        base = rng.integers(0, 40, size=12)
        poles = []
        for _ in range(2):
            prompts = []
            for _ in range(rng.integers(1, 6)):
                ids = base.copy()
                ids[rng.permutation(12)[:changed]] = rng.integers(0, 40, size=changed)
                prompts.append(PoleTokens(tuple(ids.tolist()), tuple(ids.tolist())))
            poles.append(prompts)
        apart = clearly_apart(*poles)
        told = pole_contrast(*poles).sentences("t", "mean" if draw % 2 else "last", str)
        answers.append(apart)
        assert not (apart and told)
    assert 0.2 < np.mean(answers) < 0.9

"""Batches hold every text once, within the budget, the same way each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ExtractionError
from backend.extraction.batches import (
    CPU_TOKENS,
    GPU_TOKENS,
    MOST_TOGETHER,
    default_budget,
    plan_batches,
    read_together,
)

# Few different tokens, so that many texts begin others.
TEXTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12).map(tuple), max_size=40)
SWITCH = st.none() | st.integers(1, 10)


@given(TEXTS, SWITCH)
def test_a_text_is_read_with_one_that_begins_with_it(texts, switch):
    together = read_together(texts, switch)
    assert sorted(i for own in together.values() for i in own) == list(range(len(texts)))
    for read, own in together.items():
        assert read in own and own == sorted(own) and len(own) <= MOST_TOGETHER
        for text in (texts[i] for i in own):
            assert texts[read][: len(text)] == text
            assert switch is None or (len(text) > switch) == (len(texts[read]) > switch)


@given(TEXTS)
def test_all_that_can_be_read_with_another_is(texts):
    texts = texts[:MOST_TOGETHER]
    begun = {text[:end] for text in texts for end in range(1, len(text))}
    assert sorted(texts[i] for i in read_together(texts)) == sorted(set(texts) - begun)


@given(TEXTS, SWITCH, st.integers(1, 60))
def test_every_text_once_within_the_budget_longest_first(texts, switch, budget):
    batches = plan_batches(texts, budget, switch)
    assert sorted(i for batch in batches for i in batch.texts) == list(range(len(texts)))
    longest = [max(len(texts[i]) for i in batch.texts) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    together = read_together(texts, switch)
    for batch, most in zip(batches, longest, strict=True):
        read = [i for i in together if i in batch.texts]
        assert list(batch.texts) == sorted(i for one in read for i in together[one])
        assert most * len(read) <= budget or len(read) == 1
        assert batch.tokens == sum(len(texts[i]) for i in read)
        assert switch is None or len({len(texts[i]) > switch for i in batch.texts}) == 1
    assert plan_batches(texts, budget, switch) == batches


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1000))
def test_texts_of_which_none_begins_another_are_all_read(lengths, budget):
    texts = [(place,) * length for place, length in enumerate(lengths)]
    assert read_together(texts) == {place: [place] for place in range(len(texts))}
    assert sum(batch.tokens for batch in plan_batches(texts, budget)) == sum(lengths)


def test_an_empty_budget_is_refused():
    with pytest.raises(ExtractionError, match="holds nothing"):
        plan_batches([(1,), (2, 3)], -5)


def test_the_default_budget_depends_on_the_device():
    assert default_budget("cpu") == CPU_TOKENS
    assert default_budget("cuda:1") == GPU_TOKENS

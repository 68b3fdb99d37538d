"""Batches hold every text once, within the budget, the same way each time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ExtractionError
from backend.extraction.batches import (
    CPU_TOKENS,
    GPU_TOKENS,
    MOST_WITHIN,
    default_budget,
    plan_batches,
    read_within,
)

# Few different tokens, so that many texts begin others.
TEXTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12).map(tuple), max_size=40)
SWITCH = st.none() | st.integers(1, 10)


@given(TEXTS, SWITCH)
def test_a_text_is_read_in_one_that_begins_with_it(texts, switch):
    within = read_within(texts, switch)
    for text, holder in zip(texts, within, strict=True):
        assert within[holder] == holder
        assert texts[holder][: len(text)] == text
        assert switch is None or (len(text) > switch) == (len(texts[holder]) > switch)
    assert max(Counter(within).values(), default=0) <= MOST_WITHIN


@given(TEXTS)
def test_all_that_can_be_read_in_another_is(texts):
    distinct = sorted(set(texts))
    maximal = [
        one
        for one in distinct
        if not any(two != one and two[: len(one)] == one for two in distinct)
    ]
    within = read_within(texts)
    if len(texts) <= MOST_WITHIN:
        assert sorted(texts[holder] for holder in set(within)) == maximal


@given(TEXTS, SWITCH, st.integers(1, 60))
def test_every_text_once_within_the_budget_longest_first(texts, switch, budget):
    batches = plan_batches(texts, budget, switch)
    assert sorted(i for batch in batches for i in batch.texts) == list(range(len(texts)))
    longest = [max(len(texts[i]) for i in batch.texts) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    within = read_within(texts, switch)
    for batch, most in zip(batches, longest, strict=True):
        read = {within[i] for i in batch.texts}
        assert read <= set(batch.texts)
        assert most * len(read) <= budget or len(read) == 1
        assert batch.tokens == sum(len(texts[i]) for i in read)
        assert list(batch.texts) == sorted(batch.texts)
        assert switch is None or len({len(texts[i]) > switch for i in batch.texts}) == 1
    assert plan_batches(texts, budget, switch) == batches


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1000))
def test_texts_of_which_none_begins_another_are_all_read(lengths, budget):
    texts = [(place,) * length for place, length in enumerate(lengths)]
    assert read_within(texts) == tuple(range(len(texts)))
    assert sum(batch.tokens for batch in plan_batches(texts, budget)) == sum(lengths)


def test_an_empty_budget_is_refused():
    with pytest.raises(ExtractionError, match="holds nothing"):
        plan_batches([(1,), (2, 3)], -5)


def test_the_default_budget_depends_on_the_device():
    assert default_budget("cpu") == CPU_TOKENS
    assert default_budget("cuda:1") == GPU_TOKENS

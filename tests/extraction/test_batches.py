"""Batches hold every text once, within the budget, the same way each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ExtractionError
from backend.extraction.batches import CPU_TOKENS, GPU_TOKENS, default_budget, plan_batches


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1000))
def test_every_text_once_within_the_budget_longest_first(lengths, budget):
    batches = plan_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    for batch, most in zip(batches, longest, strict=True):
        assert most * len(batch) <= budget or len(batch) == 1
        assert list(batch) == sorted(batch)
    assert plan_batches(lengths, budget) == batches


def test_an_empty_budget_is_refused():
    with pytest.raises(ExtractionError, match="holds nothing"):
        plan_batches([1, 2], -5)


def test_the_default_budget_depends_on_the_device():
    assert default_budget("cpu") == CPU_TOKENS
    assert default_budget("cuda:1") == GPU_TOKENS

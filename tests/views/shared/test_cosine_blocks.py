"""Blocks of cosines against a loop over pairs."""

from __future__ import annotations

import numpy as np
import pytest

from backend.views.shared.cosine_blocks import cosine_blocks


def drawn(count, seed=1):
    values = np.random.default_rng(seed).uniform(-1, 1, (count, count))
    return (values + values.T) / 2


@pytest.mark.parametrize(("highs", "lows"), [(7, 9), (10, 1), (3, 0), (0, 11)])
def test_means_are_those_of_the_pairs(highs, lows):
    cosines = drawn(highs + lows)
    cosines[1, :] = cosines[:, 1] = np.nan
    blocks = cosine_blocks(cosines, ["high"] * highs + ["low"] * lows, most=4)
    assert blocks.edges[0] == 0 and blocks.edges[-1] == highs + lows
    assert not highs or not lows or highs in blocks.edges
    for i, (a, b) in enumerate(blocks.spans):
        assert 0 < b - a <= blocks.size
        for j, (c, d) in enumerate(blocks.spans):
            pairs = [cosines[p, q] for p in range(a, b) for q in range(c, d) if p != q]
            known = [value for value in pairs if not np.isnan(value)]
            if known:
                assert blocks.means[i, j] == pytest.approx(np.mean(known), abs=1e-14)
            else:
                assert np.isnan(blocks.means[i, j])


def test_few_prompts_are_shown_one_by_one():
    cosines = drawn(6)
    blocks = cosine_blocks(cosines, ["high"] * 3 + ["low"] * 3)
    off = ~np.eye(6, dtype=bool)
    assert blocks.size == 1 and blocks.note == ""
    np.testing.assert_array_equal(blocks.means[off], cosines[off])
    assert [blocks.place(prompt) for prompt in (0, 3, 6)] == [-0.5, 2.5, 5.5]


def test_a_prompt_inside_a_block_has_its_share_of_the_axis():
    blocks = cosine_blocks(drawn(20), ["high"] * 10 + ["low"] * 10, most=5)
    assert blocks.size == 4 and blocks.edges == (0, 4, 8, 10, 14, 18, 20)
    assert [blocks.place(prompt) for prompt in (2, 4, 9, 20)] == [0.0, 0.5, 2.0, 5.5]
    assert "20 prompts" in blocks.note and "4 × 4" in blocks.note

"""Where a metric has no value it says why, and is never NaN or 0 in disguise."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.metrics.registry import measure_cell
from backend.core.prompt_cells import PromptCells


def measured(rows, high):
    return measure_cell(PromptCells.from_activations(np.array(rows, float), np.array(high)))


def test_a_single_prompt_per_pole_leaves_pairs_undefined():
    found = measured([[1.0, 0.0], [0.0, 1.0]], [True, False])
    for name in ("high_cosine", "low_cosine", "auroc", "d_prime", "split_half_stability"):
        assert found[name].value is None
        assert "2 prompts" in found[name].reason
    assert "only prompt" in found["largest_influence"].reason
    assert "variance" in found["snr"].reason
    assert found["separation"].value == pytest.approx(np.sqrt(2))


def test_equal_poles_have_no_vector():
    found = measured([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0]], [True, True, False, False])
    assert found["separation"].value == 0.0
    for name in ("dominance", "dominant_coordinate", "participation_ratio", "largest_influence"):
        assert found[name].value is None
        assert "vector is zero" in found[name].reason


def test_a_zero_activation_has_no_cosine():
    found = measured([[0.0, 0.0], [3.0, 4.0], [1.0, 2.0], [1.0, 4.0]], [True, True, False, False])
    assert "zero" in found["high_cosine"].reason
    assert found["low_cosine"].value is not None


def test_opposed_halves_are_said_to_be_opposed():
    # Two prompts per pole whose differences point opposite ways: every split disagrees.
    rows = [[10.0, 1.0], [10.0, -1.0], [10.0, -1.0], [10.0, 1.0]]
    found = measured(rows, [True, True, False, False])
    assert found["split_half_stability"].value is None


def test_a_prompt_space_needs_both_poles_and_matching_shapes():
    with pytest.raises(ValueError, match="both poles"):
        PromptCells.of_gram(np.eye(2), np.array([True, True]), 2)
    with pytest.raises(ValueError, match="shape"):
        PromptCells.of_gram(np.eye(3), np.array([True, False]), 2)

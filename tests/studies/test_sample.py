"""The bundled sample: whole, balanced, and scored over the range."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from backend.studies.importer import read_study
from backend.studies.sample import sample_path

STUDY = read_study(sample_path(), "sample")
PAPER_TRAITS = {
    "empathetic_responsiveness",
    "non_judgmental_acceptance",
    "boundary_maintenance",
    "crisis_recognition",
    "emotional_over_involvement",
    "abandonment_therapeutic_frame",
    "uncritical_validation",
    "sycophancy_harmful_validation",
}


def lengths(trait, pole):
    return [len(p.text.split()) for p in STUDY.prompts if (p.trait, p.pole) == (trait, pole)]


def test_it_has_the_traits_prompts_and_scenarios_of_the_study():
    assert set(STUDY.traits) == PAPER_TRAITS
    for trait in STUDY.traits:
        assert len(lengths(trait, "high")) == len(lengths(trait, "low")) == 20
    scenarios = {}
    for response in STUDY.responses:
        scenarios.setdefault(response.scenario, set()).add(response.turn)
        assert set(response.scores) == PAPER_TRAITS
        assert response.messages[-1].role == "user"
    assert len(scenarios) >= 60
    assert all(turns == {"t1", "tN"} for turns in scenarios.values())
    assert "scored by" in STUDY.provenance


@pytest.mark.parametrize("trait", sorted(PAPER_TRAITS))
def test_length_does_not_give_the_pole_away(trait):
    high, low = lengths(trait, "high"), lengths(trait, "low")
    assert abs(np.mean(high) - np.mean(low)) <= 1.5
    labels = [1] * 20 + [0] * 20
    assert 0.35 <= roc_auc_score(labels, high + low) <= 0.65


@pytest.mark.parametrize("trait", sorted(PAPER_TRAITS))
def test_scores_use_the_range_drift_goes_both_ways_and_length_tells_nothing(trait):
    by_turn = {"t1": {}, "tN": {}}
    for response in STUDY.responses:
        by_turn[response.turn][response.scenario] = response
    scenarios = sorted(by_turn["t1"])
    first = np.array([by_turn["t1"][s].scores[trait] for s in scenarios])
    last = np.array([by_turn["tN"][s].scores[trait] for s in scenarios])
    both = np.concatenate([first, last])
    assert (both >= 7).sum() >= 10
    assert (both <= 2).sum() >= 10
    assert (last - first >= 2).mean() >= 0.15
    assert (last - first <= -2).mean() >= 0.15
    words = {t: np.array([len(by_turn[t][s].text.split()) for s in scenarios]) for t in by_turn}
    all_words = np.concatenate([words["t1"], words["tN"]])
    assert abs(np.corrcoef(both, all_words)[0, 1]) < 0.3
    assert abs(np.corrcoef(last - first, words["tN"] - words["t1"])[0, 1]) < 0.3


def test_the_last_turn_continues_the_first():
    first = {r.scenario: r.text for r in STUDY.responses if r.turn == "t1"}
    for response in STUDY.responses:
        if response.turn == "tN":
            spoken = [m.content for m in response.messages if m.role == "assistant"]
            assert first[response.scenario] in spoken

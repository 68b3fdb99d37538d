"""The ten tests over real runs equal what scipy makes of the runs' own tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.errors import StoreError
from backend.store.catalog import run_summary
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.evidence import study_cells, study_evidence
from tests.support.raw import reading_run
from tests.support.results import cells, results
from tests.support.runs import publish_run
from tests.support.studies import small_study, two_responders


@pytest.fixture
def runs(settings, tiny_folders):
    study = two_responders()
    publish_run(settings, study, tiny_folders["llama"], "one", (0, 1, 2))
    publish_run(settings, study, tiny_folders["qwen2"], "two", (0, 1, 2))
    return ("one", "two")


def findings(settings, run_ids):
    found = results(settings)
    return found.of_runs(findings_of_study, run_ids, "default", found.thresholds)


def test_evidence_is_what_the_runs_hold(settings, runs):
    evidence = results(settings).of_runs(study_evidence, runs, "default")
    names = [run_summary(settings, run_id).label for run_id in runs]
    assert names[0] != names[1]
    assert [(c.model, c.trait) for c in evidence.cells] == [
        (name, trait) for name in names for trait in ("warmth", "haste")
    ]
    own = {c.key.layer: c for c in cells(settings, "one", "warmth")}
    best = max(own.values(), key=lambda c: c.correlation.value)
    assert results(settings).of_runs(study_cells, runs, "default") == evidence.cells
    shown = evidence.cells[0]
    assert (shown.layer, shown.r) == (best.key.layer, best.correlation.value)
    assert shown.separation == best.metrics["separation"].value
    expected = (best.metrics["high_spread"].value + best.metrics["low_spread"].value) / 2
    assert shown.spread == expected
    assert evidence.sweeps[0].rs == {layer: c.correlation.value for layer, c in own.items()}
    assert set(evidence.scores) == {
        (who, trait) for who in ("author", "someone") for trait in ("warmth", "haste")
    }
    assert len(evidence.behaviours["warmth"]["someone"]) == 20
    assert len(evidence.transfer_cases) == 4
    with reading_run(settings, "two") as connection:
        sql = (
            "SELECT l.projection - f.projection, b.value FROM behaviours b"
            " JOIN projections l ON l.response_id = b.last_response AND l.trait = b.trait"
            " JOIN projections f ON f.response_id = b.first_response AND f.trait = b.trait"
            " AND f.layer = l.layer AND f.method = l.method WHERE l.method = 'mean_difference'"
            " AND b.trait = 'warmth' AND l.layer = ? ORDER BY b.case_id"
        )
        layer = next(c for c in evidence.cells if c.model == names[1]).layer
        drift, behaviour = np.array(connection.execute(sql, [layer]).fetchall()).T
    case = next(
        c for c in evidence.transfer_cases if (c.trait, c.activation_model) == ("warmth", names[1])
    )
    assert case.behaviour_model == names[0]
    np.testing.assert_allclose(case.cases.x, drift, rtol=1e-12)
    np.testing.assert_array_equal(case.cases.y, behaviour)
    found = {f.name: f for f in findings(settings, runs)}
    cross = next(
        r.estimate
        for r in found["transfer"].rows
        if r.name == f"warmth: {names[1]} -> {names[0]}, cross"
    )
    # Of two responders: each value from its own responder's mean.
    who = np.array(case.cases.responders)
    means = [[v[who == w].mean() for w in who] for v in (drift, behaviour)]
    within = stats.pearsonr(drift - means[0], behaviour - means[1]).statistic
    assert cross.value == pytest.approx(within)
    assert [r.name for r in found["agreement"].rows] == [
        f"{trait}: author v someone" for trait in ("haste", "warmth")
    ]


def test_runs_of_two_studies_are_refused(settings, runs, tiny_llama):
    publish_run(settings, small_study(name="else"), tiny_llama, "three", (1,))
    with pytest.raises(StoreError, match="2 studies"):
        results(settings).of_runs(study_evidence, ("one", "three"), "default")


def test_a_study_without_responses_has_geometry_and_says_what_is_missing(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare", (1, 2))
    found = {f.name: f for f in findings(settings, ("bare",))}
    assert found["units"].rows and "Not computable" in found["prompt_cosine"].answer
    assert "Not computable" in found["layers"].answer

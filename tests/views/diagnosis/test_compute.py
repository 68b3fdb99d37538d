"""The cells of a stored run are diagnosed as their arrays are."""

from __future__ import annotations

import dataclasses

import pytest

from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import spearman
from backend.errors import StoreError
from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.store.run import open_run
from backend.views.diagnosis import words
from backend.views.diagnosis.cause import Fix, Judgement
from backend.views.diagnosis.compute import cell_evidence, fix_pipeline, r_of_fix
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.diagnosis.registry import RULES
from tests.support import views
from tests.support.phantom_store import publish_small_preset
from tests.support.phantoms import PLANTED_SIZES
from tests.support.runs import publish_run
from tests.support.studies import small_study


def test_a_stored_run_is_diagnosed_as_its_arrays_are(settings):
    sizes = PLANTED_SIZES | {"layers": 2, "scenarios": 100, "width": 64}
    plan = plan_of("stored", 48, ["direction_outliers"], 1.0, **sizes)
    _, (run_id,) = publish_phantom(settings, plan, lambda _: None)
    # The arrays of a phantom are drawn for twice the scenarios, so the run is checked by itself.
    for diagnosis in views.diagnoses(settings, run_id, layer=1):
        assert len(diagnosis.judgements) == len(RULES) - 2  # steering is not measured
        assert diagnosis.layer == 1 and diagnosis.r.n == 100
    (found,) = views.diagnoses(settings, run_id, trait="trait_1", layer=1)
    assert found.supported[0].cause == "direction_outliers"
    with open_run(settings, run_id) as run:
        evidence = cell_evidence(
            run, "trait_1", "default", 1, settings.thresholds, layer_given=True
        )
    cases = evidence.paired(evidence.drifts["mean_difference"])
    boot, rank = bootstrap_r(cases), spearman(cases)
    assert (evidence.bootstrap.low, evidence.bootstrap.high) == pytest.approx((boot.low, boot.high))
    assert evidence.rank.value == pytest.approx(rank.value)
    with pytest.raises(StoreError, match="no cell with trait nothing"):
        views.diagnoses(settings, run_id, trait="nothing")


def test_a_line_a_trait_and_the_middle_layer_where_r_is_undefined(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run", (1, 2))
    found = views.diagnoses(settings, "run")
    assert [d.layer for d in found] == [2, 2]
    lines = views.lines(settings, ["run"])["run"]
    assert lines == {d.trait: d.line for d in found}
    assert set(lines) == {"warmth", "haste"}


def test_a_probe_that_is_not_there_gives_its_stored_reason(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run", (1,))
    for diagnosis in views.diagnoses(settings, "run", layer=1):
        (judged,) = [j for j in diagnosis.judgements if j.cause == "not_linear"]
        assert judged.summary == "No probe: 12 scored cases; ridge needs 20."


def test_r_after_a_fix_is_the_stored_r_of_its_method_or_layer(settings):
    _, run_ids = publish_small_preset(settings)
    kinds = set()
    with open_run(settings, run_ids[2]) as run:
        for diagnosis in views.diagnoses(settings, run_ids[2]):
            for judgement in diagnosis.judgements:
                if (fix := judgement.fix) is None:
                    continue
                after = r_of_fix(run, "default", diagnosis.trait, diagnosis.layer, fix)
                rows = run.correlations(trait=diagnosis.trait)
                method = fix.method or "mean_difference"
                layer = fix.layer or diagnosis.layer
                assert [after] == [
                    row.correlation for row in rows if (row.method, row.layer) == (method, layer)
                ]
                kinds.add(fix_pipeline(fix) is None)
    assert kinds == {True, False}


def test_helpful_fixes_are_told_from_zero_over_all_that_were_tried(settings):
    _, run_ids = publish_small_preset(settings)
    for diagnosis in [d for run_id in run_ids for d in views.diagnoses(settings, run_id)]:
        fixes = [j.fix for j in diagnosis.judgements if j.fix is not None]
        gains = [fix.gain for fix in fixes if fix.gain.value is not None]
        sure = [
            g.value for g in gains if g.value > 0 and g.p is not None and g.p * len(gains) < 0.05
        ]
        assert [j.fix.gain.value for j in diagnosis.helpful] == sorted(sure, reverse=True)


def test_of_several_fixes_one_interval_right_of_zero_is_not_enough():
    def judged(cause, gain):
        return Judgement(cause, cause, "undetermined", 1.0, "", (), Fix("f", None, None, gain), "")

    lucky = judged("a", Estimate(0.2, 0.01, 0.4, 0.03, 50))
    other = judged("b", Estimate(0.1, -0.1, 0.3, 0.4, 50))
    found = Diagnosis("t", 1, Estimate.exact(0.1, 50), False, (lucky, other), "", "")
    assert found.helpful == found.told == ()
    alone = dataclasses.replace(found, judgements=(lucky,))
    assert alone.helpful == (lucky,)
    unknown = judged("c", Estimate.undefined(50, "measure it by extracting again"))
    assert dataclasses.replace(found, judgements=(lucky, unknown)).helpful == (lucky,)


def test_a_fix_that_gains_more_than_those_of_supported_causes_is_told(settings):
    _, run_ids = publish_small_preset(settings)
    found = [d for run_id in run_ids for d in views.diagnoses(settings, run_id)]
    for diagnosis in found:
        told = [j.fix.gain.value for j in diagnosis.told if j.fix is not None]
        top = max((gain for gain in told if gain is not None), default=None)
        said = words.stronger_fix(diagnosis)
        best = diagnosis.helpful[0] if diagnosis.helpful else None
        higher = best is not None and best not in diagnosis.told
        higher = higher and (top is None or best.fix.gain.low > top)
        assert bool(said) == higher
        if higher:
            assert best.fix.title in said and f"{best.fix.gain.value:+.2f}" in said
    assert {bool(words.stronger_fix(d)) for d in found} == {True, False}

"""The cells of a stored run are diagnosed as their arrays are."""

from __future__ import annotations

import pytest

from backend.errors import StoreError
from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.views.diagnosis.registry import RULES
from tests.support import views
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.views.diagnosis.test_rules import SIZES


def test_a_stored_run_is_diagnosed_as_its_arrays_are(settings):
    sizes = SIZES | {"layers": 2, "scenarios": 100, "width": 64}
    plan = plan_of("stored", 48, ["direction_outliers"], 1.0, **sizes)
    _, (run_id,) = publish_phantom(settings, plan, lambda _: None)
    # The arrays of a phantom are drawn for twice the scenarios, so the run is checked by itself.
    for diagnosis in views.diagnoses(settings, run_id, layer=1):
        assert len(diagnosis.judgements) == len(RULES)
        assert diagnosis.layer == 1 and diagnosis.r.n == 100
    (found,) = views.diagnoses(settings, run_id, trait="trait_1", layer=1)
    assert found.supported[0].cause == "direction_outliers"
    with pytest.raises(StoreError, match="no cell with trait nothing"):
        views.diagnoses(settings, run_id, trait="nothing")


def test_a_line_a_trait_and_the_lowest_layer_where_r_is_undefined(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run", (1, 2))
    found = views.diagnoses(settings, "run")
    assert [d.layer for d in found] == [1, 1]
    lines = views.lines(settings, ["run"])["run"]
    assert lines == {d.trait: d.line for d in found}
    assert set(lines) == {"warmth", "haste"}

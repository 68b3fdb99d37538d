"""Reading and steering that do not go together, on planted cells and slopes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.arrays import digest_of
from backend.core.dose import Dose, SteeringResult, steerability
from backend.runs.doses import steering_of
from backend.store.dose import publish_dose
from backend.store.run import open_run
from backend.views.diagnosis.diagnose import diagnose
from tests.support.doses import dose_record
from tests.support.phantoms import planted_cells
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import diagnoses

STRENGTHS = np.array([-1.0, 0.0, 1.0])
CAUSES = ("monitors_not_steers", "steers_not_monitors")


def steered(slope, *, directions=6, noise=0.05, seed=0, measure="propensity"):
    rng = np.random.default_rng(0)
    values = (slope + rng.normal(0, noise, (20, 1))) * STRENGTHS
    controls = rng.normal(0, noise, (directions, 20, 1)) * STRENGTHS
    found = steerability(Dose(STRENGTHS, values, np.arange(20), controls))
    return SteeringResult("warmth", "default", 3, measure, found, 1.0, "poles", "x")


def verdicts(evidence, result):
    found = diagnose(dataclasses.replace(evidence, steering=result))
    return [next(j for j in found.judgements if j.cause == cause).verdict for cause in CAUSES]


@pytest.fixture(scope="module")
def works():
    (cell,) = [c for c in planted_cells(["none"], 42) if not c.evidence.layer_given][:1] or [
        planted_cells(["none"], 42)[0]
    ]
    assert diagnose(cell.evidence).works
    return cell.evidence


@pytest.fixture(scope="module")
def fails(works):
    """The same cell with scores that have nothing to do with the responses."""
    rng = np.random.default_rng(7)
    order = rng.permutation(works.n)
    cases = works.cases
    changed = {"behaviour": cases.behaviour[order], "last": cases.last[order]}
    if cases.first is not None:
        changed["first"] = cases.first[order]
    names = {field.name for field in dataclasses.fields(cases)}
    broken = dataclasses.replace(
        works, cases=dataclasses.replace(cases, **{k: v for k, v in changed.items() if k in names})
    )
    assert not diagnose(broken).works
    return broken


def test_nothing_is_said_of_steering_before_it_was_measured(works):
    assert not {j.cause for j in diagnose(works).judgements} & set(CAUSES)


def test_what_reads_but_does_not_push_is_told(works):
    assert verdicts(works, steered(0.0)) == ["supported", "ruled out"]
    assert verdicts(works, steered(0.5)) == ["ruled out", "ruled out"]
    assert verdicts(works, steered(0.5, directions=2)) == ["undetermined", "ruled out"]
    found = diagnose(dataclasses.replace(works, steering=steered(0.0)))
    assert "monitors but does not steer" in found.headline and found.works
    judgement = found.supported[0]
    assert "logit difference of the paired answers" in judgement.summary
    assert judgement.rows[0].estimate.value == pytest.approx(steered(0.0).steerability.slope.value)


def test_what_pushes_but_does_not_read_is_told(fails):
    assert verdicts(fails, steered(0.5)) == ["ruled out", "supported"]
    assert verdicts(fails, steered(0.0)) == ["ruled out", "ruled out"]
    assert verdicts(fails, steered(0.5, directions=2)) == ["ruled out", "undetermined"]


def test_the_newest_measurement_of_the_cell_counts(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    assert steering_of(settings, "run-1") == ()
    old, new, other = dose_record(), dose_record(), dose_record()
    where = {"trait": "haste", "layer": 2}
    for number, (one, changed) in enumerate(
        [(old, where), (new, where), (other, where | {"vector": "mine", "named": True})]
    ):
        publish_dose(
            settings,
            dataclasses.replace(
                one,
                created_at=f"2026-01-0{number + 1}",
                steered=dataclasses.replace(one.steered, **changed),
            ),
        )
    (found,) = steering_of(settings, "run-1")
    assert found.name == new.name and found.measure == "propensity"
    # One of the present vector is older: what was measured of another one says nothing.
    with open_run(settings, "run-1") as run:
        (vector,) = run.vectors("default", [("haste", "mean_difference", 2)])
    present, another = dose_record(created_at="2026-02-01"), dose_record(created_at="2026-02-02")
    for one, values in ((present, vector.values), (another, vector.values + 1)):
        kept = dataclasses.replace(one.steered, **where, vector_hash=digest_of(values))
        publish_dose(settings, dataclasses.replace(one, steered=kept))
    (found,) = steering_of(settings, "run-1")
    assert found.name == present.name
    assert found is results(settings).steering("run-1")[0]
    (diagnosis,) = diagnoses(settings, "run-1", trait="haste", layer=2)
    assert set(CAUSES) <= {j.cause for j in diagnosis.judgements}
    (diagnosis,) = diagnoses(settings, "run-1", trait="haste", layer=1)
    assert not set(CAUSES) & {j.cause for j in diagnosis.judgements}

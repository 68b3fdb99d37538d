"""The sample's second model is offered once, and only where it is missing."""

from __future__ import annotations

import dataclasses

import pytest

from backend.jobs.bundled import SECOND_MODEL, second_model_run
from backend.jobs.queue import JobQueue
from backend.runs.requests import parse_layers
from tests.support.pages import opened, words
from tests.support.runs import publish_run
from tests.support.studies import small_study

LABEL = "Accept the terms and extract"


def labels(app):
    return [button.label for button in app.button]


@pytest.fixture
def sample(store, tiny_llama):
    return publish_run(store, dataclasses.replace(small_study(), name="sample"), tiny_llama, "run")


def test_it_is_offered_with_its_terms_and_queued_once(store, sample):
    app = opened("pages/scorecard.py", study=sample.key)
    assert "ai.google.dev/gemma/terms" in words(app)
    next(button for button in app.button if button.label == LABEL).click().run()
    assert not app.exception
    (job,) = [job for job in JobQueue(store).jobs() if job.run_id == second_model_run(sample.key)]
    assert job.request.model == SECOND_MODEL.name and job.active
    assert job.request.layers == parse_layers(SECOND_MODEL.layers)
    assert LABEL not in labels(opened("pages/scorecard.py", study=sample.key))


def test_a_cancelled_job_leads_to_the_runs_page(store, sample):
    app = opened("pages/scorecard.py", study=sample.key)
    next(button for button in app.button if button.label == LABEL).click().run()
    JobQueue(store).cancel(second_model_run(sample.key))
    app = opened("pages/scorecard.py", study=sample.key)
    assert "its job cancelled" in words(app) and LABEL not in labels(app)


def test_other_studies_are_not_offered_it(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run")
    assert LABEL not in labels(opened("pages/scorecard.py", study=ref.key))

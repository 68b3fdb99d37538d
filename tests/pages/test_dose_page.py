"""The Dose-response page: what is measured, what is asked for, and what has no model."""

from __future__ import annotations

import dataclasses

from backend.jobs.queue import JobQueue
from backend.steering.dose_request import DoseRequest
from backend.steering.vectors import VectorSource, find_vector
from backend.store.dose import publish_dose
from backend.views.dose import words
from backend.views.dose.compute import dose_results
from tests.support.damage import OTHER_VECTORS, damage
from tests.support.doses import dose_record
from tests.support.pages import linked
from tests.support.pages import words as said
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/dose.py"


def publish(settings, model, measured):
    publish_run(settings, small_study(), model, "run-1", (1, 2))
    for layer in measured:
        record = dose_record()
        steered = dataclasses.replace(record.steered, trait="haste", layer=layer)
        publish_dose(
            settings,
            dataclasses.replace(record, steered=steered, created_at=f"2026-01-0{layer}"),
        )


def opened(**address):
    return linked(PAGE, trait="haste", **address)


def test_what_was_measured_is_shown_in_each_view(shown, tiny_llama):
    settings = shown(publish, tiny_llama, (1, 2))
    app = opened()
    newest, _ = dose_results(settings, "run-1", "haste")
    assert newest.record.steered.layer == 2
    assert words.answer(newest) in said(app) and words.NONE not in said(app)
    assert len(app.get("plotly_chart")) == 1
    for view, table in (("items", 0), ("layers", 0), ("answers", 1)):
        app = opened(dose_view=view)
        assert not app.exception and len(app.dataframe) == table
        assert len(app.get("plotly_chart")) == 1 - table
    app = opened(dose_measure="reading")
    assert "read again without steering" in said(app) or "reads them again" in said(app)


def test_a_dose_of_a_vector_that_is_another_now_says_so(store, tiny_llama):
    publish(store, tiny_llama, ())
    source = VectorSource("run-1", "haste", layer=2)
    record = dose_record()
    steered = dataclasses.replace(record.steered, trait="haste", layer=2)
    kept = dataclasses.replace(steered, vector_hash=find_vector(store, source).digest)
    publish_dose(store, dataclasses.replace(record, steered=kept))
    assert words.OTHER_VECTOR not in said(opened())
    damage(store, "run-1", OTHER_VECTORS)
    assert words.OTHER_VECTOR in said(opened())


def test_measuring_is_queued_with_what_the_form_says(shown, tiny_llama):
    settings = shown(publish, tiny_llama, ())
    app = opened(layer="2")
    assert words.NONE in said(app)
    app.text_input(key="dose_strengths").set_value("-1, x").run()
    app.button[-1].click().run()
    assert "no list of numbers" in said(app)
    queue = JobQueue(settings)
    assert queue.tasks.all() == ()
    app.text_input(key="dose_strengths").set_value("-3 3").run()
    app.number_input(key="dose_questions").set_value(5).run()
    app.button[-1].click().run()
    assert not app.exception
    (task,) = queue.tasks.all("dose")
    request = DoseRequest.from_json(task.values)
    assert request.plan.strengths == (-3.0, 3.0) and request.plan.questions == 5
    assert request.layers == (2,) and request.plan.source.trait == "haste"
    assert "waiting for a worker" in said(app) or app.get("progress")
    queue.tasks.cancel(task.task_id)
    queue.close()

"""The Tokens page: asking, waiting, what is drawn of a result, and runs that have no tokens."""

from __future__ import annotations

import dataclasses
import html
import json
import os

import pytest

from backend.access import Actor
from backend.jobs.queue import JobQueue
from backend.jobs.tasks import Task, Tasks
from backend.jobs.tasks_of import tokens, vocabulary
from backend.settings import Settings
from backend.store.run import run_path
from backend.types import Progress
from pages.shared import data
from tests.support.damage import OTHER_VECTORS, damage
from tests.support.pages import linked, words
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study

PAGE = "pages/tokens.py"
ASK = "Read it token by token"
LOOK = "Look in the vocabulary"


class _Tell:
    def progress(self, progress: Progress) -> None:
        pass


def opened(**address):
    return linked(PAGE, trait="haste", layer="2", **address)


def button(app, label):
    return next((one for one in app.button if one.label == label), None)


def markup(app):
    return html.unescape(" ".join(element.proto.body for element in app.get("html")))


def publish(settings, model):
    publish_run(settings, long_study(), model, "run-1", (1, 2))


@pytest.fixture
def worked(monkeypatch):
    """Every task that a page has started is finished when the page looks again."""
    works = {one.KIND.name: one.KIND for one in (tokens, vocabulary)}
    results = {}

    def done(task: Task, settings: Settings) -> Task:
        if task.task_id not in results:
            found = works[task.kind].work(settings, task.values, _Tell())
            results[task.task_id] = json.loads(json.dumps(found))
        return dataclasses.replace(task, state="finished", result=results[task.task_id])

    every, one = Tasks.all, Tasks.task

    def all_done(self, *kinds, active=None):
        found = () if active else every(self, *kinds)
        return tuple(done(task, self._settings) for task in found)

    monkeypatch.setattr(Tasks, "all", all_done)
    monkeypatch.setattr(Tasks, "task", lambda self, name: done(one(self, name), self._settings))


def test_asking_queues_a_task_and_the_page_waits(store, tiny_llama):
    publish(store, tiny_llama)
    app = opened()
    assert "projects every token on the vector" in words(app)
    button(app, ASK).click().run()
    assert not app.exception and button(app, ASK) is None
    queue = JobQueue(store)
    (task,) = queue.tasks.all("tokens")
    assert task.values["responses"] == [0, 1, 2, 3, 4] and task.values["layers"] == [1, 2]
    assert [key["method"] for key in task.values["keys"]] == ["mean_difference"]
    assert "No worker is running" in words(app)
    button(app, "Cancel").click().run()
    assert "This was cancelled" in words(app) and button(app, ASK) is not None
    queue.close()


def test_who_may_only_look_starts_nothing(store, tiny_llama, monkeypatch):
    publish(store, tiny_llama)
    looking = dataclasses.replace(data.settings(), actor=Actor("v@x", may_change=False))
    monkeypatch.setattr(data, "settings", lambda: looking)
    app = opened()
    button(app, ASK).click().run()
    assert not app.exception and "is a viewer here and cannot start tokens" in words(app)
    assert JobQueue(store).tasks.all() == ()


def test_a_result_is_drawn_with_its_numbers(store, tiny_llama, worked):
    publish(store, tiny_llama)
    app = opened(tokens_second="lda", tokens_of="r")
    button(app, ASK).click().run()
    assert not app.exception
    drawn = markup(app)
    texts = [response.text for response in long_study().responses[:5]]
    assert drawn.count("<section>") == 5 and "token 3; projection" in drawn
    assert 'class="t special"' in drawn and "raise most" in drawn
    assert "is the projection that the run holds" in words(app)
    assert "it has no part in r" in words(app).lower() and "adds" in words(app)
    assert len(app.get("plotly_chart")) == 1
    spans = app.dataframe[0].value
    assert set(spans[""]) <= {"▲ raises", "▼ lowers"}
    assert any(spans["text"][0].strip() in text for text in texts)
    for more, count in (("line", 1), ("turns", 1)):
        address = {key: app.query_params[key] for key in app.query_params}
        again = linked(PAGE, **address | {"tokens_more": more})
        assert len(again.get("plotly_chart")) == count
        if more == "turns":
            steps = again.dataframe[len(again.dataframe) - 1].value
            assert steps["velocity since the turn before"][0] == "–" and len(steps) == 5


def test_what_a_vector_says_is_drawn(store, tiny_llama, worked):
    publish(store, tiny_llama)
    app = opened(tokens_view="says")
    assert "other vectors at this layer" in words(app) and len(app.dataframe) == 3
    button(app, LOOK).click().run()
    assert not app.exception
    assert "no evidence that the vector causes behaviour" in words(app)
    assert len(app.get("plotly_chart")) == 1 and len(app.dataframe) == 4


def test_what_was_asked_of_a_run_that_is_another_now_is_asked_anew(store, tiny_llama, worked):
    publish(store, tiny_llama)
    tokens, says = opened(), opened(tokens_view="says")
    for app, label in ((tokens, ASK), (says, LOOK)):
        button(app, label).click().run()
        assert button(app, label) is None
    # Written again with the same content, as a file that is copied: shown again.
    path = run_path(store, "run-1")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    assert button(tokens.run(), ASK) is None
    damage(store, "run-1", OTHER_VECTORS)
    for app, label in ((tokens, ASK), (says, LOOK)):
        assert not app.run().exception and button(app, label) is not None
    button(tokens, ASK).click().run()
    assert button(tokens, ASK) is None


def test_a_run_that_no_model_made_says_so(store):
    publish_small_phantom(store)
    app = linked(PAGE)
    assert "no model read its texts" in words(app) and button(app, ASK) is None
    says = linked(PAGE, tokens_view="says")
    assert "no model read its texts" in words(says) and button(says, LOOK) is None
    assert "other vectors at this layer" in words(says)


def test_a_study_without_responses_says_so(store, tiny_llama):
    publish_run(store, small_study(scenarios=0), tiny_llama, "run-1", (1, 2))
    app = opened()
    assert "no responses, so there are no tokens" in words(app)
    assert "no responses to show" in words(opened(tokens_view="says"))


def test_why_it_failed_is_told(store, tiny_llama, monkeypatch):
    publish(store, tiny_llama)
    app = opened()
    button(app, ASK).click().run()
    every, one = Tasks.all, Tasks.task

    # As the queue: of a list, nobody is told why one failed.
    def failed(self, *kinds):
        return tuple(dataclasses.replace(task, state="failed") for task in every(self, *kinds))

    monkeypatch.setattr(Tasks, "all", failed)
    monkeypatch.setattr(
        Tasks, "task", lambda self, name: dataclasses.replace(one(self, name), error="No model.")
    )
    assert "This failed.** No model." in words(app.run())

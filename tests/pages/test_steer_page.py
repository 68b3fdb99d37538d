"""The Steer page: a chat in columns, from the message to the answer, and who may not start one."""

from __future__ import annotations

import dataclasses
import time

import pytest
from streamlit.testing.v1 import AppTest

from backend.errors import JobError
from backend.jobs.tasks import Task
from backend.jobs.tasks_of.steer import KIND
from backend.store.run_values import RunSummary
from backend.types import Progress
from backend.views.steer import words
from pages.shared import steer_chat
from tests.support.pages import ROOT, linked
from tests.support.pages import words as said
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/steer.py"


def publish(settings, model):
    publish_run(settings, small_study(), model, "run-1", (1, 2))


class Tasks:
    """The queue's tasks, done when the test says so by the kind's own work."""

    def __init__(self, settings):
        self.settings, self.asked, self.cancelled = settings, [], []
        self.state, self.result, self.told = "running", None, []

    def start(self, kind, values):
        KIND.check(self.settings, values)
        self.asked.append(values)
        self.state, self.result, self.told = "running", None, []
        return f"{kind}-{len(self.asked)}"

    def task(self, task_id):
        error = "It went wrong." if self.state == "failed" else None
        return Task(task_id, "steer", self.state, {}, 0, 0, error, self.result)

    def pieces(self, task_id, since=0):
        return len(self.told), tuple(self.told[since:])

    def progress(self, task_id):
        return Progress("reading the chat")

    def cancel(self, task_id):
        self.cancelled.append(task_id)

    def is_active(self, task_id):
        return self.state == "running"

    # What a job tells.
    def piece(self, value):
        self.told.append(value)

    def check(self):
        pass

    def work(self):
        telling = _Telling(self)
        self.result = KIND.work(self.settings, self.asked[-1], telling)
        self.state = "finished"


class _Telling:
    def __init__(self, tasks):
        self.piece, self.check = tasks.piece, tasks.check

    def progress(self, progress):
        pass


@pytest.fixture
def tasks(shown, tiny_llama, monkeypatch):
    settings = shown(publish, tiny_llama)
    made = Tasks(settings)

    class Queue:
        tasks = made

        def jobs(self, *, active=False):
            return []

    monkeypatch.setattr("pages.shared.data.queue", Queue)
    yield made
    from backend.steering.session import HELD

    HELD.let_go()


def opened(**address):
    return linked(PAGE, trait="haste", layer="2", steer_tokens="5", **address)


def test_choices_last_while_another_page_is_looked_at(shown, tiny_llama):
    shown(publish, tiny_llama)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()
    app.switch_page(PAGE).run()
    app.text_input(key="steer_strengths").set_value("3").run()
    app.text_area(key="steer_system").set_value("Be brief.").run()
    app.segmented_control(key="steer_where").set_value("prompt").run()
    chosen = [app.session_state[key] for key in ("steer_strengths", "steer_where", "steer_system")]
    app.query_params.clear()  # as a page's link does
    app.switch_page("pages/methods.py").run()
    assert "steer_strengths" not in app.session_state
    app.query_params.clear()
    app.switch_page(PAGE).run()
    assert not app.exception, app.exception
    assert chosen == ["3", "prompt", "Be brief."]
    assert [
        app.text_input(key="steer_strengths").value,
        app.segmented_control(key="steer_where").value,
        app.text_area(key="steer_system").value,
    ] == chosen
    # What a link says goes first.
    app.query_params.clear()
    app.switch_page("pages/methods.py").run()
    app.query_params["steer_strengths"] = "7"
    app.switch_page(PAGE).run()
    assert app.text_input(key="steer_strengths").value == "7"
    assert app.segmented_control(key="steer_where").value == "prompt"


def test_a_chat_is_answered_in_columns(tasks):
    app = opened(steer_strengths="1, -2")
    assert words.EMPTY in said(app) and not app.chat_input[0].disabled
    app.chat_input[0].set_value("you keep").run()
    assert not app.exception
    assert "reading the chat" in said(app) and app.chat_input[0].disabled
    assert tasks.asked[0]["said"] == ["you keep"]
    assert tasks.asked[0]["strengths"] == [1.0, -2.0]
    tasks.work()
    app.run()
    assert not app.exception
    names = [answer["name"] for answer in tasks.result["answers"]]
    assert names == ["plain", "+1", "-2", "random -2"]
    shown = said(app)
    for name in names:
        assert f"**{name}**" in shown
    assert "Read without steering, the texts differ from plain" in shown
    (table,) = (frame.value for frame in app.dataframe)
    assert set(table["variant"]) <= set(names)
    # The next message goes on with each column's own answer.
    first = [answer["text"] for answer in tasks.result["answers"]]
    app.chat_input[0].set_value("nothing").run()
    assert tasks.asked[1]["said"] == ["you keep", "nothing"]
    assert [own for (own,) in tasks.asked[1]["answered"]] == first
    # Stopped: what was written stays.
    tasks.piece({"seconds": 0.0, "steps": [[["ache", 1.0, 2.0]] * 4]})
    (stop,) = (button for button in app.button if button.label == "Stop")
    stop.click().run()
    assert tasks.cancelled == ["steer-2"]
    tasks.state = "cancelled"
    app.run()
    assert list(app.dataframe[0].value["text"]) == ["ache"] * 4
    # Other choices begin another chat.
    app.text_input(key="steer_strengths").set_value("3").run()
    assert words.CHANGED in said(app)
    app.chat_input[0].set_value("again").run()
    assert tasks.asked[2]["said"] == ["again"] and tasks.asked[2]["answered"] == [[], [], []]
    tasks.state = "failed"
    app.run()
    assert "The model did not answer." in said(app) and "It went wrong." in said(app)


def test_an_answer_that_is_left_is_stopped(tasks):
    app = opened()
    app.chat_input[0].set_value("you keep").run()
    app.run()
    assert tasks.cancelled == []  # the same page, drawn again
    # AppTest runs app.py, which leaves, for the first page alone; all its sessions have one id.
    for _ in range(2):
        linked()
        assert tasks.cancelled == ["steer-1"]  # once
    tasks.state = "cancelled"
    app.run()
    assert not app.exception and words.LEFT in said(app)
    assert words.LEFT not in said(app.run())
    # Stopped by its button, nothing is said.
    app.chat_input[0].set_value("again").run()
    (stop,) = (button for button in app.button if button.label == "Stop")
    stop.click().run()
    tasks.state = "cancelled"
    app.run()
    assert tasks.cancelled == ["steer-1", "steer-2"] and words.LEFT not in said(app)


def test_a_session_that_ends_stops_what_it_waits_for(tasks):
    steer_chat._released(steer_chat._Awaited())
    awaited = steer_chat._Awaited("steer-7", tasks)
    steer_chat._released(awaited)
    end = time.monotonic() + 10
    while not tasks.cancelled and time.monotonic() < end:
        time.sleep(0.01)
    assert tasks.cancelled == ["steer-7"] and awaited.task is None

    class Ended:
        def cancel(self, task):
            raise JobError("Task has ended.", expected="one at work.", remedy="reload.")

    steer_chat._Awaited("steer-8", Ended()).stop()


def test_wrong_numbers_are_told_and_nothing_can_be_sent(tasks):
    app = opened(steer_strengths="much")
    assert "'much' is no strength." in said(app) and app.chat_input[0].disabled
    app = opened(steer_mode="cap")
    assert "leave no range" in said(app) and "Mean of the low prompts" in said(app)
    app = opened(steer_mode="cap", steer_high="0.5")
    assert not app.chat_input[0].disabled


def test_who_may_only_look_cannot_start(tasks, monkeypatch):
    found = dataclasses.replace(tasks.settings, read_only=True)
    monkeypatch.setattr("pages.shared.data.settings", lambda: found)
    app = opened()
    assert app.chat_input[0].disabled and "read-only" in said(app)


def test_a_run_without_a_model_says_so(tasks, monkeypatch):
    monkeypatch.setattr(RunSummary, "has_model", False)
    app = opened()
    assert words.NO_MODEL in said(app) and not app.chat_input

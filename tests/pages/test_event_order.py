"""What a fragment has drawn reaches the browser, whoever is asked for in the moment of its end."""

from __future__ import annotations

import asyncio
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import Runtime, RuntimeConfig
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.state.safe_session_state import SafeSessionState

from pages.shared import event_order
from pages.shared.event_order import keep_order
from tests.conftest import REPOSITORY

SCRIPT = """
import streamlit as st

@st.fragment
def chart():
    st.session_state.drawn = st.session_state.get("drawn", 0) + 1
    st.text(f"chart {st.session_state.drawn}")

@st.fragment
def chip():
    st.text("chip")

chart()
chip()
"""


PAGES = """
import time
import streamlit as st

@st.fragment
def chip():
    st.text("chip")

def one():
    chip()

def two():
    st.text("two")
    time.sleep(1)
    st.text("end")

st.navigation([st.Page(one, default=True), st.Page(two)]).run()
"""


FORM = """
import streamlit as st

def count(what):
    st.session_state[what] = st.session_state.get(what, 0) + 1

st.button("Go", key="go", on_click=count, args=("clicks",))
st.text_input("Name", key="name", on_change=count, args=("changes",))
st.text(f"clicks {st.session_state.get('clicks', 0)} changes {st.session_state.get('changes', 0)}")
"""


class Browser:
    """A browser's end of a session: texts in the order in which they came, by their fragment."""

    client_context = None

    def __init__(self):
        self.texts, self.fragments, self.finished = [], {}, 0
        self.pages, self.shown = [], []

    def write_forward_msg(self, msg):
        kind = msg.WhichOneof("type")
        if kind == "delta" and msg.delta.new_element.WhichOneof("type") == "text":
            body = msg.delta.new_element.text.body
            self.texts.append(body)
            self.fragments[body.split()[0]] = msg.delta.fragment_id
        if kind == "navigation":
            self.pages = [page.page_script_hash for page in msg.navigation.app_pages]
        if kind == "new_session":
            self.shown.append(msg.new_session.page_script_hash)
        self.finished += kind == "script_finished"

    async def after(self, scripts):
        deadline = time.monotonic() + 20
        while self.finished < scripts:
            assert time.monotonic() < deadline, (self.texts, self.finished)
            await asyncio.sleep(0.01)

    async def sees(self, text):
        deadline = time.monotonic() + 20
        while text not in self.texts:
            assert time.monotonic() < deadline, self.texts
            await asyncio.sleep(0.01)


def asked(fragment="", page=""):
    message = BackMsg()
    message.rerun_script.fragment_id = fragment
    message.rerun_script.page_script_hash = page
    return message


@asynccontextmanager
async def browsing(script):
    """The server, a browser that has seen a script's first page, and the name of its session."""
    runtime = Runtime(
        RuntimeConfig(
            script_path=str(script),
            media_file_storage=MemoryMediaFileStorage("/media"),
            uploaded_file_manager=MemoryUploadedFileManager("/upload"),
        )
    )
    await runtime.start()
    browser = Browser()
    session = runtime.connect_session(browser, {})
    runtime.handle_backmsg(session, asked())
    await browser.after(1)
    yield runtime, browser, session
    runtime.stop()
    await runtime.stopped


async def chart_then_chip(script):
    """Ask for the chart, and for the chip when the chart's script has ended and nothing of it has
    been handled, as on a server whose loop has to wait."""
    async with browsing(script) as (runtime, browser, session):
        return await _chart_then_chip(runtime, browser, session)


async def _chart_then_chip(runtime, browser, session):
    at_work = runtime._session_mgr.get_active_session_info(session).session
    while at_work._scriptrunner is not None:
        await asyncio.sleep(0.01)
    runtime.handle_backmsg(session, asked(browser.fragments["chart"]))
    requests = at_work._scriptrunner._requests
    while requests._state != ScriptRequestType.STOP:
        time.sleep(0.01)  # and the loop does not turn
    runtime.handle_backmsg(session, asked(browser.fragments["chip"]))
    await browser.after(3 if AppSession.request_rerun.__module__ == event_order.__name__ else 2)
    return browser.texts


async def chip_of_a_page_that_is_left(script):
    """Go to the second page, and ask for the first one's chip while the second is drawn."""
    async with browsing(script) as (runtime, browser, session):
        one, two = browser.pages
        runtime.handle_backmsg(session, asked(browser.fragments["chip"], one))
        await browser.after(2)
        assert browser.texts == ["chip", "chip"]
        runtime.handle_backmsg(session, asked(page=two))
        await browser.sees("two")
        runtime.handle_backmsg(session, asked(browser.fragments["chip"], one))
        await browser.sees("end")
        await asyncio.sleep(0.5)
        return ["one" if page == one else "two" for page in browser.shown[2:]]


def one_after_the_other(first, second, wait):
    """Ask for two things, the second some seconds after the first."""

    async def story(script):
        async with browsing(script) as (runtime, browser, session):
            at_work = runtime._session_mgr.get_active_session_info(session).session
            widgets = {"go": {"trigger_value": True}, "name": {"string_value": "Ada"}}
            ids = {
                name: next(
                    i
                    for i in at_work.session_state._new_widget_state.widget_metadata
                    if i.endswith(f"-{name}")
                )
                for name in widgets
            }
            while at_work._scriptrunner is not None:
                await asyncio.sleep(0.01)
            for names, pause in ((first, wait), (second, 0.3)):
                message = asked()
                for name in names:
                    message.rerun_script.widget_states.widgets.add(id=ids[name], **widgets[name])
                runtime.handle_backmsg(session, message)
                await asyncio.sleep(pause)
            while at_work._scriptrunner is not None:
                await asyncio.sleep(0.01)
            return browser.texts[-1]

    return story


def run(story):
    """Run a coroutine to its end, in a thread of its own: where browser tests came before, this one
    has a loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, story).result()


@pytest.fixture(autouse=True)
def streamlit_as_it_is(monkeypatch):
    """Afterwards: what keep_order() changes is of the whole process."""
    monkeypatch.setattr(AppSession, "request_rerun", AppSession.request_rerun)
    for name in ("_run_script", "_maybe_handle_execution_control_request"):
        monkeypatch.setattr(ScriptRunner, name, getattr(ScriptRunner, name))
    will_rerun = SafeSessionState.on_script_will_rerun
    monkeypatch.setattr(SafeSessionState, "on_script_will_rerun", will_rerun)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A story told on a script: what reached the browser."""
    monkeypatch.setattr(Runtime, "_instance", None)

    def tell(story, text):
        script = tmp_path / "script.py"
        script.write_text(text)
        return run(story(script))

    return tell


def test_what_was_drawn_last_arrives_before_the_next_script_begins(told):
    keep_order()
    assert told(chart_then_chip, SCRIPT) == ["chart 1", "chip", "chart 2", "chip"]


def test_streamlit_alone_loses_it(told):
    """Once this fails, streamlit has mended it, and that part of the module can go."""
    assert told(chart_then_chip, SCRIPT) == ["chart 1", "chip", "chip"]


@pytest.mark.parametrize("wait", [0.0, 0.0, 0.001, 0.002, 0.005, 0.05])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["go"], [], "clicks 1 changes 0"),
        # A field that is left by the click on a button.
        (["name"], ["name", "go"], "clicks 1 changes 1"),
        (["go"], ["name"], "clicks 1 changes 1"),
    ],
)
def test_a_click_is_not_lost_by_what_is_asked_right_before_or_after_it(
    told, first, second, said, wait
):
    settings = tomllib.loads((REPOSITORY / ".streamlit" / "config.toml").read_text("utf-8"))
    before = config.get_option("runner.fastReruns")
    config.set_option("runner.fastReruns", settings["runner"]["fastReruns"])
    keep_order()
    try:
        assert told(one_after_the_other(first, second, wait), FORM) == said
    finally:
        config.set_option("runner.fastReruns", before)


def test_a_page_that_was_left_does_not_come_back_by_its_fragment(told):
    keep_order()
    assert told(chip_of_a_page_that_is_left, PAGES) == ["two"]


def test_streamlit_alone_goes_back_to_it(told):
    """Once this fails, streamlit has mended it, and that part of the module can go."""
    assert told(chip_of_a_page_that_is_left, PAGES) == ["two", "one"]


class Session:
    """A session whose runner takes no more requests. Args: whether it is still at a script."""

    def __init__(self, *, execing):
        requests = SimpleNamespace(_state=ScriptRequestType.STOP)
        self._scriptrunner = SimpleNamespace(_requests=requests, _execing=execing)


def test_a_script_that_is_told_to_stop_is_not_waited_for_nor_one_that_never_tells_its_end(
    monkeypatch,
):
    begun = []
    monkeypatch.setattr(AppSession, "request_rerun", lambda _self, state: begun.append(state))
    keep_order()

    async def story():
        AppSession.request_rerun(Session(execing=True), "at once")
        assert begun == ["at once"]
        monkeypatch.setattr(event_order, "_LONGEST_SECONDS", 0.02)
        AppSession.request_rerun(Session(execing=False), "later")
        assert begun == ["at once"]
        await asyncio.sleep(0.3)
        assert begun == ["at once", "later"]

    run(story())


def test_what_is_asked_meanwhile_waits_behind_what_was_asked_before(monkeypatch):
    """Else an older state of a slider would be drawn after a newer one."""
    begun = []
    monkeypatch.setattr(AppSession, "request_rerun", lambda _self, state: begun.append(state))
    keep_order()

    async def story():
        session = Session(execing=False)
        AppSession.request_rerun(session, "0.51")
        session._scriptrunner = None  # its last message is handled
        AppSession.request_rerun(session, "0.52")
        assert begun == []
        await asyncio.sleep(0.3)
        AppSession.request_rerun(session, "0.53")
        assert begun == ["0.51", "0.52", "0.53"]

    run(story())

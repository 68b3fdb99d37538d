"""Nothing that a script has drawn is lost when the next one begins, nor a click, nor a page.

What a script draws reaches the browser by the server's event loop, which ignores whatever comes
from a script runner that is not the session's present one. A fragment that is asked for in the
moment after a script has ended, and before the loop has got to its last messages, gets a runner of
its own, and those messages are lost: a slider stands at 0.60 and the chart beside it shows 0.59,
until the next move. Streamlit's ``AppSession.request_rerun`` describes this
(streamlit/streamlit#9921). With 20 browsers on the server's two cores, 16 of 950 moves met it.

A click is handled by a callback, at the beginning of a script. Streamlit ends that callback at its
first look at the session's state if the page was asked for once more meanwhile, by a field that is
left or by another click, and one of the two is lost. So nothing ends a callback here; with
``fastReruns`` off (``.streamlit/config.toml``) what is asked for meanwhile waits, and no script is
thrown away that has not begun.

A page that is left may have asked for one of its fragments, by a timer, in the moment before the
browser hears of the next page. Streamlit runs that fragment after the next page, as of the page
before: the browser clears what it shows, and the next thing that is drawn has no place there ("Bad
delta path index") and ends the page, until it is loaded anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.state.safe_session_state import SafeSessionState

# The loop is given this long to get to the messages before it is asked again, and no longer than
# this in all: whoever waits for a runner that never tells its end would wait for ever.
_AGAIN_SECONDS, _LONGEST_SECONDS = 0.002, 2.0


def keep_order() -> None:
    """From now on nothing that was drawn or asked for is lost; see the module. Called once, before
    the server starts."""
    _end_no_callback()
    _run_no_fragment_of_a_page_that_was_left()
    _wait_for_what_was_drawn()


def _end_no_callback() -> None:
    """While a script's callbacks run, it heeds no other request."""
    calling_back: WeakSet[ScriptRunner] = WeakSet()
    heed_requests = ScriptRunner._maybe_handle_execution_control_request
    will_rerun = SafeSessionState.on_script_will_rerun

    def heed(self: ScriptRunner) -> None:
        if self not in calling_back:
            heed_requests(self)

    def undisturbed(self: SafeSessionState, *states: Any, **more: Any) -> None:
        runner = self._yield_callback.__self__  # type: ignore[attr-defined]
        calling_back.add(runner)
        try:
            will_rerun(self, *states, **more)
        finally:
            calling_back.discard(runner)

    ScriptRunner._maybe_handle_execution_control_request = heed  # type: ignore[method-assign]
    SafeSessionState.on_script_will_rerun = undisturbed  # type: ignore[method-assign]


def _run_no_fragment_of_a_page_that_was_left() -> None:
    """A fragment is run only on the page that it is of."""
    run_script = ScriptRunner._run_script

    def on_its_page(self: ScriptRunner, rerun_data: RerunData) -> None:
        here = self._pages_manager.current_page_script_hash
        if not rerun_data.fragment_id_queue or rerun_data.page_script_hash in ("", here):
            run_script(self, rerun_data)

    ScriptRunner._run_script = on_its_page  # type: ignore[method-assign]


def _wait_for_what_was_drawn() -> None:
    """A rerun waits for the messages of a script that has just ended, and for the reruns that were
    asked for before it."""
    at_once = AppSession.request_rerun
    waiting: WeakKeyDictionary[AppSession, deque[ClientState | None]] = WeakKeyDictionary()

    def in_order(self: AppSession, client_state: ClientState | None) -> None:
        before = waiting.get(self)
        if before is not None:
            before.append(client_state)
        elif _has_ended(self._scriptrunner):
            waiting[self] = deque([client_state])
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, go_on, self, _AGAIN_SECONDS)
        else:
            at_once(self, client_state)

    def go_on(session: AppSession, waited: float) -> None:
        if _has_ended(session._scriptrunner) and waited < _LONGEST_SECONDS:
            again = waited + _AGAIN_SECONDS
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, go_on, session, again)
            return
        for client_state in waiting.pop(session):
            at_once(session, client_state)

    AppSession.request_rerun = in_order  # type: ignore[method-assign]


def _has_ended(runner: ScriptRunner | None) -> bool:
    """Whether a runner takes no more requests and the loop does not know yet: it forgets the runner
    with its last message. One that was told to stop in the middle of a script has not ended."""
    return (
        runner is not None
        and runner._requests._state == ScriptRequestType.STOP
        and not runner._execing
    )

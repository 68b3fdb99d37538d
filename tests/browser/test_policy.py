"""What the pages ask for, whom the server answers, and what hostile text of a study becomes."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from backend.settings import Settings
from pages.shared.policy import POLICY
from tests.support.browsing import PATHS, settled
from tests.support.phantom_store import publish_small_phantom

ROOT = Path(__file__).resolve().parents[2]
AWAY = "127.0.0.9:9"
HOSTILE = (
    f'![i](http://{AWAY}/i.png) <img src="http://{AWAY}/t.png"> [l](http://{AWAY}/l) '
    f"http://{AWAY}/bare www.away.example a@away.example $x^2$ :material/delete: :red[r] # h"
)
BASE = "tools/scope"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The dashboard under a base path, on a store whose study is full of markup; gives its port."""
    settings = Settings(cache=tmp_path_factory.mktemp("hostile"))
    publish_small_phantom(settings)
    for path in (*settings.runs.iterdir(), *settings.studies.iterdir()):
        with duckdb.connect(str(path)) as connection:
            connection.execute("UPDATE traits SET description = ?", [HOSTILE])
            connection.execute(
                "UPDATE study SET title = $1, description = $1, provenance = $1", [HOSTILE]
            )
            connection.execute("UPDATE prompts SET text = ? || text", [HOSTILE])
            connection.execute("UPDATE responses SET text = ? || text", [HOSTILE])
    (settings.runs / "bad.duckdb").write_bytes(b"junk")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "pages.shared.launch", "--address", "127.0.0.1", "--base-path"),
        *(BASE, "--host", "127.0.0.1", "--host", "scope.example", "--port", str(port)),
    ]
    environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if asked(port, f"/{BASE}/_stcore/health").status == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def asked(port, path, host=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    named = {"Host": host} if host else {}
    connection.request("GET", path, headers=named | headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_only_its_own_names_are_answered(hostile):
    for path in (f"/{BASE}/", f"/{BASE}/_stcore/health", f"/{BASE}/runs"):
        assert asked(hostile, path).status == 200
        assert asked(hostile, path, "scope.example").status == 200
        assert asked(hostile, path, "rebound.example").status == 400
        assert asked(hostile, path).headers["Content-Security-Policy"] == POLICY


def test_the_page_says_what_is_loading_before_its_scripts_have_come(hostile, browser):
    page = browser.new_page()
    page.route("**/static/js/*", lambda route: route.abort())
    page.goto(f"http://127.0.0.1:{hostile}/{BASE}/layers")
    page.get_by_text("Steerscope is loading…").wait_for()
    assert page.title() == "Steerscope"
    page.close()


def upgraded(port, host, origin):
    """Status of a WebSocket's handshake."""
    return asked(
        port,
        f"/{BASE}/_stcore/stream",
        host,
        Connection="Upgrade",
        Upgrade="websocket",
        Origin=origin,
        **{"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
    ).status


def test_no_foreign_page_opens_a_session(hostile):
    own = f"127.0.0.1:{hostile}"
    assert upgraded(hostile, own, "http://foreign.example") == 403
    assert upgraded(hostile, "rebound.example", "http://rebound.example") in (400, 403)


@pytest.mark.long
def test_text_of_a_study_is_text_on_every_page(hostile, watched):
    opened = watched(f"http://127.0.0.1:{hostile}/{BASE}/")
    foreign = f'[href*="{AWAY}"], [src*="{AWAY}"]'
    for path in PATHS:
        opened.goto(f"http://127.0.0.1:{hostile}/{BASE}{path}")
        opened.get_by_test_id("stMain").get_by_text("www").first.wait_for()
        opened.locator("h1").first.wait_for()
        settled(opened)
        assert opened.locator(f'{foreign}, [href*="away.example"]').count() == 0, path
        assert opened.locator("[data-testid=stException]").count() == 0, path
        opened.get_by_role("button", name="Help for Study").hover()
        about = opened.get_by_test_id("stTooltipContent")
        about.wait_for()
        for shown in (opened.get_by_test_id("stMain"), about):
            assert "![i](http" in shown.inner_text().replace("\u2060", ""), path
            assert shown.locator(f".katex, {foreign}").count() == 0, path

"""Log-in against a real provider on loopback: who sees what, who may do what, and what is kept
where."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from backend.settings import LOG_IN_VARIABLES, Settings
from backend.store.changes import changes
from tests.browser.conftest import serving
from tests.support.browsing import settled
from tests.support.phantom_store import publish_small_phantom

CLIENT_SECRET, COOKIE_SECRET = "client-secret-of-the-test", "cookie-secret-of-the-test-" * 2
OPERATOR, VIEWER, STRANGER = "ada@lab.example", "vic@guests.example", "eve@other.example"
USERS = {
    "operator": {"email": OPERATOR.title(), "email_verified": True},
    "viewer": {"email": VIEWER, "email_verified": True},
    "stranger": {"email": STRANGER, "email_verified": True},
    "forger": {"email": OPERATOR, "email_verified": False},
}
ASKED = "Log in to see this Steerscope."
USER_COOKIE = "_streamlit_user"


@pytest.fixture(scope="module")
def provider():
    """A log-in service with the test's users; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users = [json.dumps({"sub": sub} | claims) for sub, claims in USERS.items()]
    options = [part for user in users for part in ("--user-claims", user)]
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *options],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def lab(tmp_path_factory, provider, smollm2):
    """The application with log-in, on a store with a phantom."""
    settings = Settings(cache=tmp_path_factory.mktemp("lab"))
    publish_small_phantom(settings)

    def variables(url):
        values = (url, "steerscope", CLIENT_SECRET, provider, OPERATOR, COOKIE_SECRET)
        return dict(zip(LOG_IN_VARIABLES, values, strict=False)) | {
            "STEERSCOPE_VIEWERS": "*@guests.example"
        }

    with serving(settings.cache, "--no-sample", variables=variables) as started:
        yield started


@pytest.fixture
def opened(browser, lab):
    """Opens pages of the application in clean profiles."""
    contexts = []

    def page_of(path="", cookies=()):
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(60_000)
        contexts.append(context)
        context.add_cookies([{**cookie, "url": lab.url} for cookie in cookies])
        page = context.new_page()
        page.goto(f"{lab.url}/{path}")
        return page

    yield page_of
    for context in contexts:
        context.close()


def log_in(page, sub):
    """From the dashboard's question over the provider's form, and back."""
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name=sub, exact=True).click()
    page.wait_for_url(lambda url: "oauth2" not in url)


def wait_for_text(page, text):
    """Names are shown with joiners, which keep them from becoming links."""
    page.wait_for_function(
        "text => document.body.innerText.replaceAll('\\u2060', '').includes(text)", arg=text
    )


def shows_nothing_of_the_store(page):
    widgets = page.locator("[data-testid=stSidebarNav], [data-testid=stSelectbox]")
    return widgets.count() == 0 and "phantom" not in page.inner_text("body").lower()


@pytest.mark.long
@pytest.mark.parametrize("path", ["", "diagnosis?trait=planted"])
def test_who_has_not_logged_in_sees_a_question_and_nothing_else(opened, path):
    page = opened(path)
    page.get_by_text(ASKED).wait_for()
    assert shows_nothing_of_the_store(page)


@pytest.mark.parametrize(
    ("sub", "sentence"),
    [
        ("stranger", f"{STRANGER} may not use this Steerscope."),
        ("forger", f"has not verified the e-mail address {OPERATOR}."),
    ],
)
def test_others_see_a_sentence_and_nothing_else(opened, sub, sentence):
    page = opened()
    log_in(page, sub)
    page.get_by_role("button", name="Log out").wait_for()
    wait_for_text(page, sentence)
    assert shows_nothing_of_the_store(page)


@pytest.mark.long
def test_a_viewer_looks_and_is_refused_every_change(opened, lab):
    before = changes(Settings(cache=lab.cache))
    page = opened("runs")
    log_in(page, "viewer")
    wait_for_text(page, f"{VIEWER} (viewer: look and download only)")
    page.goto(f"{lab.url}/runs")
    page.get_by_role("button", name="Start extraction").click()
    wait_for_text(page, f"{VIEWER} is a viewer here and cannot start job")
    assert changes(Settings(cache=lab.cache)) == before


@pytest.mark.long
def test_an_operator_changes_things_under_their_name(opened, lab):
    page = opened()
    log_in(page, "operator")
    wait_for_text(page, f"{OPERATOR} (operator)")
    page.goto(f"{lab.url}/runs")
    page.get_by_role("button", name="Start extraction").dblclick()
    # The second press may be answered before the answer to the first was shown.
    page.get_by_text(re.compile("^Queued 2|is on its way already")).first.wait_for()
    settled(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Nothing is queued or running.").wait_for()
    made = changes(Settings(cache=lab.cache))
    assert [change.who for change in made if change.what == "start job"] == [OPERATOR]
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    page.get_by_text(ASKED).wait_for()


@pytest.mark.long
def test_a_forged_cookie_is_nobody(opened, lab):
    page = opened()
    log_in(page, "operator")
    page.get_by_test_id("stSidebar").wait_for()
    cookies = page.context.cookies()
    own = next(cookie for cookie in cookies if cookie["name"] == USER_COOKIE)
    middle = len(own["value"]) // 3
    swapped = "A" if own["value"][middle] != "A" else "B"
    forged = own["value"][:middle] + swapped + own["value"][middle + 1 :]
    for value in (forged, "e30.aaaaaa.bbbb", own["value"] + "x"):
        other = opened(cookies=[{"name": USER_COOKIE, "value": value}])
        other.get_by_text(ASKED).wait_for()


def test_who_says_no_at_the_provider_is_back_at_the_question(opened):
    page = opened()
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_text(ASKED).wait_for()


def test_secrets_are_in_no_log_and_not_in_the_worker(opened, lab):
    page = opened()
    log_in(page, "operator")
    page.get_by_test_id("stSidebar").wait_for()
    log = (lab.cache / "serve.log").read_text()
    for secret in (CLIENT_SECRET, COOKIE_SECRET, "code=", "id_token", "access_token", "eyJ"):
        assert secret not in log
    for path in lab.cache.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 50_000_000:
            assert CLIENT_SECRET.encode() not in path.read_bytes()
    children = subprocess.run(
        ["pgrep", "-P", str(lab.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    commands = {
        pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in children
    }
    worker = next(pid for pid, command in commands.items() if b"backend worker" in command)
    assert b"OIDC" not in Path(f"/proc/{worker}/environ").read_bytes()
    assert all(CLIENT_SECRET.encode() not in command for command in commands.values())

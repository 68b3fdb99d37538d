"""Whom log-in lets in, what a partial set-up does, and where paths may lead."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.access import NOBODY, Actor, LogIn
from backend.errors import NotAllowed, SteerscopeError
from backend.jobs import supervisor
from backend.jobs.queue import JobQueue
from backend.jobs.supervisor import Address, check_place
from backend.models.model_reference import parse_reference, refuse_outside
from backend.models.on_disk import model_size
from backend.settings import LOG_IN_VARIABLES, load_settings
from backend.store.changes import changes
from backend.store.note import About, publish_note
from backend.studies.imports import import_study, import_upload
from backend.types import ExtractionRequest

URL = "https://lab.example.org/tools/scope"
LOG_IN = LogIn(
    url=URL,
    client_id="scope",
    client_secret="s3cret-of-the-client",
    metadata_url="https://id.example.org/.well-known/openid-configuration",
    cookie_secret="c" * 32,
    operators=("Ada@lab.example", "*@core.example"),
    viewers=("*@guests.example",),
)


def claims(email, verified=True, **others):
    return {"is_logged_in": True, "email": email, "email_verified": verified} | others


@pytest.mark.parametrize(
    ("email", "actor"),
    [
        ("ada@lab.example", Actor("ada@lab.example", True)),
        ("ADA@LAB.example", Actor("ada@lab.example", True)),
        ("x@core.example", Actor("x@core.example", True)),
        ("v@guests.example", Actor("v@guests.example", False)),
    ],
)
def test_who_is_on_a_list_is_let_in(email, actor):
    assert LOG_IN.actor(claims(email)) == actor


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"email": "ada@lab.example", "email_verified": True},
        claims("ada@lab.example", is_logged_in=False),
        claims("ada@lab.example", is_logged_in="yes"),
        claims("ada@lab.example", verified=False),
        claims("ada@lab.example", verified="true"),
        claims("ada@lab.example", verified=1),
        claims("ada@lab.example", verified=None),
        claims(None),
        claims(["ada@lab.example"]),
        claims(""),
        claims("bob@lab.example"),
        claims("x@guests.example.evil.example"),
        claims("x@evil.example@guests.example"),
        claims("x@sub.guests.example"),
        claims("ada@lab.example\n"),
        claims(" ada@lab.example"),
        claims("ada@lab.example,x@core.example"),
        # The Kelvin sign turns into k, and the long s into s, when made small or folded.
        claims("x@gue\u017fts.example"),
        claims("\u212aada@lab.example"),
    ],
)
def test_everybody_else_is_not(given):
    with pytest.raises(NotAllowed):
        LOG_IN.actor(given)


def test_secrets_are_not_in_what_is_printed(settings):
    shown = repr(dataclasses.replace(settings, log_in=LOG_IN))
    assert "s3cret" not in shown and "ccc" not in shown and "scope" in shown


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"url": "http://lab.example.org"}, "STEERSCOPE_URL"),
        ({"url": "lab.example.org"}, "STEERSCOPE_URL"),
        ({"url": "https://[::1"}, "STEERSCOPE_URL"),
        ({"metadata_url": "http://id.example.org/x"}, "STEERSCOPE_OIDC_METADATA_URL"),
        ({"cookie_secret": "short"}, "has 5 characters"),
        ({"operators": ("everybody",)}, "'everybody' on a list of users"),
        ({"viewers": ("*",)}, "on a list of users"),
        ({"viewers": ("*@*",)}, "on a list of users"),
    ],
)
def test_a_set_up_that_would_let_others_in_is_refused(changed, words):
    with pytest.raises(SteerscopeError, match=words) as caught:
        dataclasses.replace(LOG_IN, **changed)
    assert "s3cret" not in str(caught.value)


def test_a_set_up_in_part_is_no_open_door(monkeypatch):
    assert load_settings().log_in is None
    for name in LOG_IN_VARIABLES:
        with monkeypatch.context() as patch:
            patch.setenv(name, "x@y.example")
            with pytest.raises(SteerscopeError, match="Log-in is set up in part"):
                load_settings()


def test_all_of_it_is_read(monkeypatch):
    values = (URL, "id", "secret", LOG_IN.metadata_url, "a@b.example, *@c.example", "", "")
    for name, value in zip(LOG_IN_VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert found.log_in is not None
    assert found.log_in.operators == ("a@b.example", "*@c.example")
    assert found.folders == ()
    monkeypatch.setenv("STEERSCOPE_FOLDERS", "/srv/models:/srv/studies")
    assert [str(folder) for folder in load_settings().folders] == ["/srv/models", "/srv/studies"]


def test_log_in_opens_other_addresses_under_its_own_name(settings):
    known = dataclasses.replace(settings, log_in=LOG_IN)
    place = Address(8501, "0.0.0.0", "tools/scope")
    check_place(place, known)
    assert "lab.example.org" in place.hosts(known)
    with pytest.raises(SteerscopeError, match="not below the base path"):
        check_place(Address(8501, "0.0.0.0"), known)


def test_one_queue_is_asked_by_many_and_writes_down_who(settings):
    nobody, viewer, operator = (
        dataclasses.replace(settings, actor=actor)
        for actor in (NOBODY, Actor("v@x.example", False), Actor("o@x.example", True))
    )
    queue = JobQueue(nobody)
    request = ExtractionRequest("a@b", "org/model", (1,))
    for asked, name in ((queue, "nobody"), (queue.asked_by(viewer), "v@x.example")):
        with pytest.raises(NotAllowed, match=f"{name} is a viewer here and cannot start job"):
            asked.enqueue(request)
    queue.asked_by(operator).enqueue(request)
    note = publish_note(operator, About("run", "study@0", "run"), "text", "someone else")
    assert note.author == "o@x.example"
    made = [(change.who, change.what) for change in changes(settings)]
    assert made == [("o@x.example", "start job"), ("o@x.example", "save note")]
    queue.close()


def test_paths_lead_below_the_allowed_folders_only(settings, tmp_path, monkeypatch):
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for folder in (allowed / "model", other / "model"):
        folder.mkdir(parents=True)
    (allowed / "link").symlink_to(other / "model")
    (allowed / "self").symlink_to(allowed / "self")
    (tmp_path / "alias").symlink_to(allowed)
    bound = dataclasses.replace(settings, folders=(allowed.resolve(),))
    for path in (
        allowed / "model",
        tmp_path / "alias" / "model",
        allowed / "model" / ".." / "model",
    ):
        assert parse_reference(str(path), bound).kind == "folder"
    queue = JobQueue(bound)
    for path in (
        other / "model",
        other / "absent",
        allowed / "link",
        allowed / "self",
        allowed / ".." / "other" / "model",
        tmp_path / "allowed-too",
        other / "x.gguf",
        "~root",
        "~nobody-of-this-name/x",
    ):
        for ask in (
            lambda text: parse_reference(text, bound),
            lambda text: refuse_outside(text, bound),
            lambda text: model_size(text, bound),
            lambda text: queue.enqueue(ExtractionRequest("a@b", text, (1,))),
        ):
            with pytest.raises(NotAllowed, match="may not be named here"):
                ask(str(path))
    queue.close()
    # A folder that is named like a Hub's model is not looked at from outside the folders.
    monkeypatch.chdir(tmp_path)
    assert parse_reference("other/model", settings).kind == "folder"
    assert parse_reference("other/model", bound).kind == "hub"
    assert parse_reference("smollm2-135m-instruct", bound).kind == "preset"


def test_a_study_is_uploaded_where_it_may_not_be_named_by_path(settings, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    prompts = "".join(
        json.dumps({"trait": "warm", "pole": pole, "text": f"{pole} {number}"}) + "\n"
        for pole in ("high", "low")
        for number in range(4)
    ).encode()
    (folder / "prompts.jsonl").write_bytes(prompts)
    bound = dataclasses.replace(settings, folders=())
    with pytest.raises(NotAllowed, match="may not be named by its path"):
        import_study(bound, folder)
    import_upload(bound, [("prompts.jsonl", prompts)], "mine")
    import_study(dataclasses.replace(settings, folders=(folder,)), folder)


def test_endpoints_are_none_where_others_log_in_unless_said(monkeypatch, settings):
    assert load_settings().endpoints is None and load_settings().may_ask("http://any.example/v1")
    values = (URL, "id", "secret", LOG_IN.metadata_url, "a@b.example", "", "")
    for name, value in zip(LOG_IN_VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert load_settings().endpoints == ()
    assert not load_settings().may_ask("http://any.example/v1")
    monkeypatch.setenv("STEERSCOPE_ENDPOINTS", "https://a.example/v1/, https://b.example/v1")
    found = load_settings()
    assert found.endpoints == ("https://a.example/v1", "https://b.example/v1")
    assert found.may_ask("https://a.example/v1/") and not found.may_ask("https://c.example/v1")


@pytest.mark.parametrize(
    ("address", "given", "expected"),
    [
        ("127.0.0.1", None, None),
        ("0.0.0.0", None, ""),
        ("0.0.0.0", ("https://a.example/v1",), "https://a.example/v1"),
        ("127.0.0.1", (), ""),
    ],
)
def test_the_worker_is_told_which_endpoints_may_be_asked(
    settings, monkeypatch, address, given, expected
):
    monkeypatch.delenv("STEERSCOPE_ENDPOINTS", raising=False)
    limited = dataclasses.replace(settings, endpoints=given)
    environment = supervisor._environment(Address(8501, address, insecure=True), limited)
    assert environment.get("STEERSCOPE_ENDPOINTS") == expected

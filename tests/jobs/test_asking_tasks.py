"""Writing, responding, more prompts and judging as tasks: results, refusals, cancel, the key."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.asking.writer import Writer
from backend.errors import (
    EndpointError,
    JobError,
    JudgeError,
    NotAllowed,
    SteerscopeError,
    StoreError,
)
from backend.jobs.kinds import KINDS
from backend.jobs.leaving import Left
from backend.jobs.queue import JobQueue
from backend.jobs.system import ASKING
from backend.store.study import find_study, load_study
from backend.types import Progress
from backend.writing.drafts import (
    draft_zip,
    keep_draft,
    list_drafts,
    read_draft,
    remove_draft,
)
from backend.writing.new_study import Wanted, template
from backend.writing.requests import AddRequest, JudgeRequest, RespondRequest, WriteRequest
from tests.support.endpoint import served
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.written import MEANS, TRAIT, writes_and_judges

WANTED = Wanted("warm", TRAIT, MEANS, pairs=3, questions=3, samples=4)


class Listening:
    """Keeps what a task tells; leaves after so many answers if wanted."""

    def __init__(self, leave_after: int | None = None) -> None:
        self.heard: list[Progress] = []
        self.leave_after = leave_after

    def progress(self, progress):
        self.heard.append(progress)
        if self.leave_after is not None and progress.done >= self.leave_after:
            raise Left("cancelled")

    def piece(self, value):
        raise AssertionError("no pieces")

    def check(self, *, now=False):
        pass


def done(settings, kind, request, tell=None):
    """Check and do a task, as the queue does, with values that went through JSON."""
    plain = request.json() if kind == "judge" else dataclasses.asdict(request)
    values = json.loads(json.dumps(plain))
    KINDS[kind].check(settings, values)
    return KINDS[kind].work(settings, values, tell or Listening())


@pytest.fixture
def server():
    with served(writes_and_judges) as started:
        yield started


def by(server):
    return Writer("big", server.url)


def test_they_do_not_wait_behind_an_extraction():
    assert {KINDS[kind].lane for kind in ("write", "respond", "add-prompts", "judge")} == {ASKING}


def test_from_a_sentence_to_a_draft_to_scores(settings, server):
    tell = Listening()
    made = done(settings, "write", WriteRequest(WANTED, by(server)), tell)
    assert made == {"draft": "warm", "notes": []}
    assert (tell.heard[-1].done, tell.heard[-1].total) == (12, 12)
    assert len(server.asked) == 1 + 1 + 6 + 12
    draft = read_draft(settings, "warm")
    assert draft.rubric == "# warmth\n\nis warm.\nHigh: warm words.\nLow: cold words.\n"
    assert all(not response.scores for response in draft.study.responses)
    judged = done(settings, "judge", JudgeRequest(by(server), draft="warm", rubric=draft.rubric))
    assert (judged["scored"], judged["asked"], judged["missing"]) == (12, 12, {})
    study = load_study(settings, find_study(settings, judged["study"]))
    for response in study.responses:
        assert response.scores == {TRAIT: 2.0 * response.text.count("dear")}
    coherence = [2.0 * response.text.count("dear") for response in study.responses]
    assert judged["coherence"]["mean"] == pytest.approx(sum(coherence) / 12)
    assert judged["coherence"]["below"] == sum(score < 5.0 for score in coherence)
    assert judged["tokens"] == [24 * 100, 24 * 2]


def test_cancelled_it_keeps_its_answers_and_goes_on_from_them(settings, server):
    request = WriteRequest(WANTED, dataclasses.replace(by(server), at_once=1))
    with pytest.raises(Left):
        done(settings, "write", request, Listening(leave_after=4))
    asked = len(server.asked)
    assert asked < 20 and not list_drafts(settings)
    made = done(settings, "write", request)
    assert len(server.asked) == 20  # nothing was asked twice
    # A worker that died before it could say so begins again, and finds the draft.
    values = json.loads(json.dumps(dataclasses.asdict(request)))
    assert KINDS["write"].work(settings, values, Listening()) == made
    assert len(server.asked) == 20
    with pytest.raises(StoreError, match="called 'warm' already"):
        KINDS["write"].check(settings, values)


def test_other_responses_and_more_prompts(settings, server, tiny_llama):
    described = {"warmth": "is warm.", "haste": "is hasty."}
    study = dataclasses.replace(small_study(scenarios=4), traits=described)
    ref = publish_run(settings, study, tiny_llama, "run-1")
    made = done(settings, "respond", RespondRequest(ref.key, "again", by(server), samples=2))
    old, new = load_study(settings, ref), read_draft(settings, made["draft"])
    chats = {(response.scenario, response.turn) for response in old.responses}
    assert new.study.prompts == old.prompts and len(new.study.responses) == 2 * len(chats)
    assert new.study.traits.keys() == old.traits.keys()
    request = AddRequest(ref.key, "written", by(server), pairs=2, like="run-1")
    added = done(settings, "add-prompts", request)
    revised = load_study(settings, find_study(settings, added["study"]))
    written = [prompt for prompt in revised.prompts if prompt.prompt_set == "written"]
    assert len(written) == 4 * len(old.traits)
    queue = JobQueue(settings)
    (job,) = queue.jobs()
    assert (job.run_id, job.request.study) == (added["run"], added["study"])
    assert job.request.layers == (1, 2)
    # Begun again by another worker: one extraction, not two.
    values = json.loads(json.dumps(dataclasses.asdict(request)))
    again = KINDS["add-prompts"].work(settings, values, Listening())
    assert again == added and len(queue.jobs()) == 1
    queue.close()


@pytest.mark.parametrize("allowed", [(), ("https://models.example/v1",)])
def test_an_endpoint_that_is_not_allowed_is_never_asked(settings, server, allowed, tiny_llama):
    ref = publish_run(settings, small_study(scenarios=4), tiny_llama, "run-1")
    keep_draft(settings, template(WANTED))
    strict = dataclasses.replace(settings, endpoints=allowed)
    mine, own = by(server), Writer(str(tiny_llama))
    wanted = dataclasses.replace(WANTED, name="other")
    for kind, request in (
        ("write", WriteRequest(wanted, mine)),
        ("write", WriteRequest(wanted, own, mine)),
        ("write", WriteRequest(wanted, dataclasses.replace(mine, endpoint=f" {server.url}/ "))),
        ("respond", RespondRequest(ref.key, "again", mine)),
        ("add-prompts", AddRequest(ref.key, "written", mine)),
        ("judge", JudgeRequest(mine, study=ref.key)),
        ("judge", JudgeRequest(mine, draft="warm")),
    ):
        plain = request.json() if kind == "judge" else dataclasses.asdict(request)
        with pytest.raises(NotAllowed, match="endpoint may not be named here"):
            KINDS[kind].check(strict, plain)
        if kind == "write" and request.responder:
            continue  # its writer is a model here, which would be loaded first
        with pytest.raises(NotAllowed, match="endpoint may not be named here"):
            KINDS[kind].work(strict, plain, Listening())
    assert server.asked == []
    assert strict.may_ask("https://models.example/v1/") is bool(allowed)
    assert not strict.may_ask("https://models.example/v1.evil.example")


def test_a_folder_elsewhere_is_not_named_either(settings, tiny_llama):
    strict = dataclasses.replace(settings, folders=())
    with pytest.raises(NotAllowed, match="may not be named here"):
        done(strict, "write", WriteRequest(WANTED, Writer(str(tiny_llama))))


def test_the_key_is_in_no_file(settings, server, monkeypatch):
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    made = done(settings, "write", WriteRequest(WANTED, by(server)))
    judged = done(settings, "judge", JudgeRequest(by(server), draft="warm"))
    assert server.keys == {f"Bearer {key}"}
    assert key not in json.dumps([made, judged])
    files = [path for path in settings.cache.rglob("*") if path.is_file()]
    assert files and not [path for path in files if key.encode() in path.read_bytes()]


def test_what_cannot_be_meant_is_refused_before_it_is_queued(settings, server):
    keep_draft(settings, template(WANTED))
    for request, fault, words in (
        (JudgeRequest(by(server)), SteerscopeError, "which study"),
        (JudgeRequest(by(server), draft="none"), StoreError, "no draft"),
        (JudgeRequest(by(server), draft="../studies"), SteerscopeError, "cannot name a study"),
        (JudgeRequest(by(server), draft="warm"), JudgeError, "no responses to judge"),
        (JudgeRequest(by(server), draft="warm", scale="x"), JudgeError, "no scale"),
        (JudgeRequest(by(server), draft="warm", rubric="x"), JudgeError, "has no heading"),
        (JudgeRequest(Writer("big", "ftp://x"), draft="warm"), EndpointError, "no address"),
        (
            JudgeRequest(dataclasses.replace(by(server), at_once=0), draft="warm"),
            EndpointError,
            "requests cannot be in flight",
        ),
    ):
        with pytest.raises(fault, match=words):
            KINDS["judge"].check(settings, request.json())
    for kind in ("judge", "write", "respond", "add-prompts"):
        for values in ({}, {"judge": {}, "writer": {}, "traits": []}, {"judge": 1, "writer": []}):
            with pytest.raises(JobError, match="This is no request"):
                KINDS[kind].check(settings, values)


def test_a_draft_is_kept_whole_listed_and_removed(settings, monkeypatch):
    draft = template(WANTED)
    keep_draft(settings, draft)
    assert read_draft(settings, "warm") == draft and draft.notes
    assert [entry.name for entry in list_drafts(settings)] == ["warm"]
    with pytest.raises(StoreError, match="called 'warm' already"):
        keep_draft(settings, dataclasses.replace(draft, rubric="# warmth\n\nother\n"))
    assert read_draft(settings, "warm") == draft
    assert draft_zip(draft).startswith(b"PK")
    with pytest.raises(SteerscopeError, match="read-only"):
        remove_draft(dataclasses.replace(settings, read_only=True), "warm")
    remove_draft(settings, "warm")
    assert list_drafts(settings) == () and not list(settings.drafts.iterdir())

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", fails)
    with pytest.raises(StoreError, match="No space left"):
        keep_draft(settings, draft)
    assert not list(settings.drafts.iterdir())

"""A model folder of anybody: its template and tokenizer come to an end, or are ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tokenizers import Regex, pre_tokenizers

from backend.errors import ExtractionError, ModelError, SpanNotFound
from backend.extraction.apart import apart
from backend.extraction.spans import encode_all
from backend.jobs.logs import read_log
from backend.jobs.queue import JobQueue
from backend.models.check import check_folder
from backend.store.run import run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Prompt
from tests.support.studies import small_study
from tests.support.tiny_models import tiny_tokenizer

ENDLESS = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% endfor %}{% endfor %}{% endfor %}"
)
HUGE = "{% set a = 'x' * 10 ** 11 %}{{ a }}"


def idle():
    return None


def encode(tokenizer, **limits):
    study = small_study(scenarios=2)
    return apart(lambda: encode_all(tokenizer, study.prompts, study.responses), "m", idle, **limits)


def test_texts_are_encoded_apart_as_here():
    study = small_study(scenarios=3)
    tokenizer = tiny_tokenizer()
    here = encode_all(tokenizer, study.prompts, study.responses)
    assert apart(lambda: encode_all(tokenizer, study.prompts, study.responses), "m", idle) == here


def test_a_fault_of_a_text_is_told_as_here():
    tokenizer = tiny_tokenizer()
    blank = Prompt("t", "high", "")
    with pytest.raises(ExtractionError) as here:
        encode_all(tokenizer, [blank], ())
    with pytest.raises(type(here.value)) as there:
        apart(lambda: encode_all(tokenizer, [blank], ()), "m", idle)
    assert str(there.value) == str(here.value) and isinstance(there.value, SpanNotFound)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        apart(lambda: 1 // 0, "m", idle)


def test_an_endless_template_is_stopped():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = ENDLESS
    with pytest.raises(ExtractionError, match="came to no end, and was stopped"):
        encode(tokenizer, cpu_seconds=1)
    with pytest.raises(ExtractionError, match="came to no end, and was stopped"):
        apart(lambda: time.sleep(60), "m", idle, wall_seconds=0.3)


def test_a_template_that_fills_the_memory_is_stopped():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = HUGE
    with pytest.raises(ExtractionError, match=r"GiB of memory|ended its process"):
        encode(tokenizer)


def test_a_tokenizer_that_panics_or_dies_is_told():
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex("(?:a|aa)+$"), "isolated"
    )
    text = Prompt("t", "high", "a" * 60 + "b")
    with pytest.raises(ExtractionError, match=r"gave up: .*retry-limit"):
        apart(lambda: encode_all(tokenizer, [text], ()), "m", idle)
    with pytest.raises(ExtractionError, match=r"ended its process \(status -6\)"):
        apart(os.abort, "m", idle)


def test_the_work_ends_when_the_job_is_left():
    class Enough(BaseException):
        pass

    def leave():
        raise Enough

    begun = time.monotonic()
    with pytest.raises(Enough):
        apart(lambda: time.sleep(60), "m", leave)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_deep_json_is_refused(tmp_path, tiny_llama, name):
    folder = tmp_path / "deep"
    shutil.copytree(tiny_llama, folder)
    (folder / name).write_text("[" * 200_000)
    with pytest.raises(ModelError, match="is not JSON"):
        check_folder(folder)


@pytest.mark.long
def test_cancel_and_sigterm_reach_a_job_in_an_endless_template(settings, tmp_path, tiny_llama):
    folder = tmp_path / "endless"
    shutil.copytree(tiny_llama, folder)
    (folder / "chat_template.jinja").write_text(ENDLESS)
    described = json.loads((folder / "tokenizer_config.json").read_text())
    described.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    study = small_study(scenarios=2)
    ref = publish_study(settings, study, content_hash(study))
    queue = JobQueue(settings)
    endless = queue.enqueue(ExtractionRequest(ref.key, str(folder), (1, 2)), "endless")
    sound = queue.enqueue(ExtractionRequest(ref.key, str(tiny_llama), (1, 2)), "sound")
    command = [sys.executable, "-m", "backend", "worker", "--no-sample"]
    environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
    worker = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: "tokenising" in read_log(settings, endless))
        queue.cancel(endless)
        begun = time.monotonic()
        wait_for(lambda: queue.job(sound).state == "finished")
        assert time.monotonic() - begun < 60 and run_path(settings, sound).exists()
        assert "cancelled" in read_log(settings, endless)

        queue.resume(endless)
        wait_for(lambda: read_log(settings, endless).count("tokenising") == 2)
        begun = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert time.monotonic() - begun < 20
        assert "paused" in read_log(settings, endless).splitlines()[-1]
        assert "internal error" not in read_log(settings, endless)
        assert queue.job(endless).state == "running"
    finally:
        worker.kill()
        worker.wait()
        queue.close()


def wait_for(what, seconds=240.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")

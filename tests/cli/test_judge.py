"""The command ``judge``: killed and started again, forecast, and a key that is written nowhere."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from backend.asking.endpoint import KEY_VARIABLE
from backend.cli.main import main
from backend.store.study import find_study, list_studies, load_study
from tests.conftest import REPOSITORY
from tests.support.endpoint import after, completion, served
from tests.support.studies import small_study
from tests.support.study_files import write_study

KEY = "sk-secret-0123456789"
STUDY = small_study("mine", scenarios=8, prompts=2, turns=False)
RUBRIC = "# warmth\nNames a feeling.\n# haste\nHurries on.\n"


@pytest.fixture
def store(settings, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return settings


@pytest.fixture
def folder(tmp_path):
    """A study's folder without any score, and a rubric beside it."""
    made = write_study(tmp_path / "mine", STUDY)
    rows = [json.loads(row) for row in (made / "responses.jsonl").read_text("utf-8").splitlines()]
    lines = [json.dumps(row | {"scores": {}}) for row in rows]
    (made / "responses.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "rubric.md").write_text(RUBRIC, "utf-8")
    return made


def words_judge(body):
    """Scores a response by the number of its words, and says the key besides."""
    text = re.search("<response>\n(.*)\n</response>", body["messages"][0]["content"])[1]
    return completion(f"{len(text.split()) % 11}\n({KEY})")


def arguments(folder, url):
    rubric = folder.parent / "rubric.md"
    return [
        "judge", str(folder), "--endpoint", url, "--model", "judge", "--rubric", str(rubric),
        "--at-once", "2",
    ]  # fmt: skip


@pytest.mark.long
def test_killed_and_started_again_it_asks_only_what_is_missing(store, folder, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    with served(lambda body: after(0.1, words_judge(body))) as server:
        command = arguments(folder, server.url)
        killed = subprocess.Popen(
            [sys.executable, "-m", "backend", *command],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        limit = time.monotonic() + 60
        while len(server.asked) < 8:
            assert time.monotonic() < limit and killed.poll() is None
            time.sleep(0.02)
        os.kill(killed.pid, signal.SIGKILL)
        said = killed.communicate()[1]
        (path,) = store.answers.glob("judge-*.jsonl")
        # The first line says whose answers they are, and the last one may be half a line.
        kept = path.read_text("utf-8").count("\n") - 1
        before = len(server.asked)
        assert 4 <= kept < 24 and not list_studies(store)
        assert main(command) == 0
        assert len(server.asked) - before == 24 - kept
    out, err = capsys.readouterr()
    study = load_study(store, find_study(store, out.strip()))
    assert study.name == "mine"
    for response in study.responses:
        score = len(response.text.split()) % 11
        assert response.scores == {"warmth": score, "haste": score}
    assert f"({kept} of 24 are answered)" in err and "16 of 16 responses x traits scored" in err
    files = [file for file in store.cache.rglob("*") if file.is_file()]
    assert path in files and len(files) >= 3
    for file in files:
        assert KEY.encode() not in file.read_bytes(), file
    for text in (said, out, err, caplog.text):
        assert KEY not in text


def test_a_forecast_asks_nothing(store, folder, capsys):
    with served(words_judge) as server:
        command = [*arguments(folder, server.url), "--forecast"]
        assert main([*command, "--price-in", "2", "--price-out", "10"]) == 0
    said = capsys.readouterr().out
    found = re.fullmatch(
        r"24 requests; about ([\d,]+) tokens in \(counted as 4 characters each\), at most 768 out; "
        r"time not known before the first answers; cost at most about ([\d.]+)\.\n",
        said,
    )
    tokens = int(found[1].replace(",", ""))
    assert float(found[2]) == pytest.approx((2 * tokens + 10 * 768) / 1e6, abs=0.0051)
    # 24 requests of some 150 words each.
    assert 24 * 150 < tokens < 24 * 300
    assert server.asked == [] and not store.answers.exists()


def test_tokens_may_be_counted_by_a_tokenizer(store, folder, capsys, tiny_llama):
    from transformers import AutoTokenizer

    with served(words_judge) as server:
        command = [*arguments(folder, server.url), "--tokenizer", str(tiny_llama)]
        assert main(command) == 0
    said = capsys.readouterr().err
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    expected = sum(len(tokenizer(b["messages"][0]["content"]).input_ids) for b in server.asked)
    assert f"about {expected:,} tokens in (by the tokenizer of {tiny_llama})" in said


def test_what_cannot_be_judged_leaves_no_study(store, folder, capsys):
    with served(lambda _: completion("Lovely.")) as server:
        assert main(arguments(folder, server.url)) == 1
    assert "No response has a score: 16 times no number in the answer" in capsys.readouterr().err
    assert main(["judge", "nothing", "--endpoint", "http://localhost:9/v1", "--model", "m"]) == 1
    assert "No study is called 'nothing'" in capsys.readouterr().err
    assert not list_studies(store)

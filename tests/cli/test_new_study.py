"""Two commands from a sentence to a diagnosis, and a template."""

from __future__ import annotations

import re

import pytest

from backend.cli.main import main
from backend.store.catalog import run_list
from tests.support.endpoint import served
from tests.support.written import writes_and_judges


@pytest.fixture
def store(settings, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    return settings


@pytest.mark.long
def test_from_a_sentence_to_a_diagnosis(store, tmp_path, tiny_llama, capsys):
    folder = tmp_path / "warm"
    begin = ["new-study", str(folder), "--trait", "warmth", "--means", "is warm."]
    sizes = ["--pairs", "5", "--questions", "8"]
    with served(writes_and_judges) as server:
        endpoint = ["--endpoint", server.url, "--model", "big"]
        assert main([*begin, *endpoint, *sizes]) == 0
        asked = len(server.asked)
        assert asked == 1 + 1 + 10 + 32
        out, err = capsys.readouterr()
        assert out.split() == [
            str(folder / name)
            for name in ("prompts.jsonl", "responses.jsonl", "rubric.md", "study.json")
        ]
        assert "44 requests" in err
        rubric = ["--rubric", str(folder / "rubric.md")]
        extract = ["--extract", str(tiny_llama), "--layers", "1-2"]
        assert main(["judge", str(folder), *endpoint, *rubric, *extract]) == 0
        assert len(server.asked) == asked + 64
    out = capsys.readouterr().out
    key, run_id, *_ = out.split()
    assert key.startswith("warm@")
    (run,) = run_list(store).runs
    assert (run.record.run_id, run.study_key) == (run_id, key)
    assert re.search(r"warmth, layer [12]: r [+-][\d.]+, n = 32\.", out)
    # A folder that holds something is not written over.
    assert main([*begin, *endpoint]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_template_is_a_study(store, tmp_path, capsys):
    folder = tmp_path / "warm"
    begin = ["new-study", str(folder), "--trait", "warmth", "--means", "is warm."]
    assert main([*begin, "--pairs", "3"]) == 0
    assert main(["import-study", str(folder)]) == 0
    assert "warm@" in capsys.readouterr().out
    other = [*begin[:1], str(tmp_path / "new"), *begin[2:]]
    assert main([*other, "--model", "big"]) == 1
    assert "not clear which model is to write" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

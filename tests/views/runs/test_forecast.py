"""What an extraction will take, by hand."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest
from safetensors.numpy import load_file

from backend.models.on_disk import model_size
from backend.runs.session import session_of
from backend.store.catalog import run_list
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from backend.views.runs.forecast import characters, forecast
from backend.views.runs.tables import count, duration, forecast_rows, size
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """A machine that does nothing else, whatever runs beside the tests."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0.2, 0.2))


def timed(runs, *seconds):
    """Runs as if they had taken these seconds: (forward, derive) each."""
    return [
        dataclasses.replace(run, forward_seconds=forward, derive_seconds=derive)
        for run, (forward, derive) in zip(runs, seconds, strict=True)
    ]


def test_a_run_like_an_earlier_one(settings, tiny_llama):
    study = small_study()
    ref = publish_run(settings, study, tiny_llama, "run-1", (1, 2))
    publish_run(settings, study, tiny_llama, "run-2", (1, 2))
    runs = timed(run_list(settings).runs, (2.0, 1.0), (4.0, 3.0))
    tokens = runs[0].tokens
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 3), device="cpu")
    found = forecast(settings, request, runs)
    assert found.texts == 20 + 24
    assert (found.tokens.low, found.tokens.high) == (tokens, tokens)
    # The earlier runs stopped after layer 2, this one after 3.
    assert (found.forward.low, found.forward.high) == pytest.approx((3.0, 6.0))
    assert f"{tokens / 4:,.0f} to {tokens / 2:,.0f} tokens/s" in found.forward.basis
    assert (found.derive.low, found.derive.high) == pytest.approx((1.0, 3.0))
    numbers = sum(w.size for w in load_file(tiny_llama / "model.safetensors").values())
    assert (found.memory.low, found.memory.high) == pytest.approx((4 * numbers, 4.6 * numbers))
    activations = 44 * 2 * 64 * 4
    sizes = [run.bytes for run in runs]
    assert (found.disk.low, found.disk.high) == pytest.approx((min(sizes), max(sizes)))
    assert "44 texts × 2 layers × 64 × 4 bytes" in found.disk.basis and activations < min(sizes)
    assert found.faults == () and found.free_memory > 0 and found.free_disk > 0


def test_a_busy_machine_raises_the_upper_bounds_and_says_so(settings, tiny_llama, monkeypatch):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1", (1, 2))
    runs = timed(run_list(settings).runs, (2.0, 1.0))
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2), device="cpu")
    idle = forecast(settings, request, runs)
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 1.0, 1.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    busy = forecast(settings, request, runs)
    assert (busy.forward.low, busy.derive.low) == (idle.forward.low, idle.derive.low)
    assert busy.forward.high == pytest.approx(16 * idle.forward.high)
    assert busy.derive.high == pytest.approx(16 * idle.derive.high)
    assert "load 6 on 2 cores): up to 16 times slower" in busy.forward.basis
    # What the machine does is no matter where another one runs the model.
    on_gpu = dataclasses.replace(request, device="cuda")
    record = dataclasses.replace(runs[0].record, device="cuda:0")
    found = forecast(settings, on_gpu, [dataclasses.replace(runs[0], record=record)])
    assert "busy" not in found.forward.basis


def test_turns_are_read_with_the_chat_that_holds_them():
    study = long_study(conversations=3, turns=4)
    last = [response for response in study.responses if response.turn == "t4"]
    read = sum(len(one.text) for one in study.prompts) + sum(
        len(one.text) + sum(len(message.content) for message in one.messages) for one in last
    )
    assert characters(study) == read


def test_a_first_run_is_honest_about_what_is_unknown(settings, tiny_llama):
    study = small_study()
    ref = publish_study(settings, study, content_hash(study))
    found = forecast(settings, ExtractionRequest(ref.key, str(tiny_llama), (1, 9)), ())
    letters = sum(len(p.text) for p in study.prompts) + sum(
        len(r.text) + len(r.messages[0].content) for r in study.responses
    )
    assert characters(study) == letters
    assert (found.tokens.low, found.tokens.high) == (round(letters / 5), round(letters / 3))
    assert "an estimate" in found.tokens.basis and f"about {letters / 4:,.0f}" in found.tokens.basis
    assert found.forward.low is None and "unknown until the first batches" in found.forward.basis
    assert found.derive.low is None
    assert (found.disk.low, found.disk.high) == (44 * 2 * 64 * 4, None)
    assert found.faults == (
        "Layer 9 does not exist: the model has 3 blocks, so its layers are 0 to 3.",
    )
    unknown = forecast(settings, ExtractionRequest(ref.key, "org/never-seen", (1,)), ())
    assert unknown.memory.low is None and unknown.disk.low is None
    shown = {row["what"]: row["estimate"] for row in forecast_rows(unknown)}
    assert shown["memory"] == "unknown" and shown["texts to extract"] == "44"


def test_runs_on_other_devices_and_simulated_ones_teach_nothing(settings, tiny_llama):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1", (1, 2))
    (run,) = timed(run_list(settings).runs, (2.0, 1.0))
    on_cuda = ExtractionRequest(ref.key, str(tiny_llama), (1, 2), device="cuda")
    found = forecast(settings, on_cuda, [run])
    assert "no earlier run of this model on cuda" in found.forward.basis
    assert found.free_memory is None
    record = dataclasses.replace(run.record, model_source="simulated")
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2), fresh=True)
    assert (
        forecast(settings, request, [dataclasses.replace(run, record=record)]).forward.low is None
    )


def test_a_wider_model_needs_more_room_for_its_vectors(settings, tiny_llama):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1", (1, 2))
    (run,) = run_list(settings).runs
    request = ExtractionRequest(ref.key, "llama-3-8b-instruct", (8, 9, 10))
    found = forecast(settings, request, [run])
    extra = (run.bytes - 44 * 2 * 64 * 4) / 2
    activations = 44 * 3 * 4096 * 4
    expected = (activations + 3 * extra, activations + 3 * extra * 64)
    assert (found.disk.low, found.disk.high) == pytest.approx(expected)


def test_a_models_size_comes_from_its_files(settings, tiny_folders, tmp_path):
    for folder in tiny_folders.values():
        found = model_size(str(folder), settings)
        numbers = sum(w.size for w in load_file(folder / "model.safetensors").values())
        assert (found.parameters, found.width, found.depth) == (numbers, 64, 3)
    (tmp_path / "empty").mkdir()
    assert model_size(str(tmp_path / "empty"), settings) is None
    assert model_size("smollm2-135m-instruct", settings) is None


def test_amounts_in_words():
    assert [duration(s) for s in (0.2, 40, 600, 9000)] == ["under 1 s", "40 s", "10 min", "2.5 h"]
    sizes = [size(amount) for amount in (12, 4500, 12.4e6, 3.49e9)]
    assert sizes == ["12 bytes", "4.5 kB", "12.4 MB", "3.49 GB"]
    assert count(12345.4) == "12,345"


def test_a_forecast_needs_no_torch():
    code = "import sys, backend.views.runs.forecast; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_texts_of_earlier_runs_are_not_forecast_again(settings, tiny_llama):
    study = small_study(scenarios=7)
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2))
    session_of(settings, "run-1", request, lambda _: None).run()
    runs = run_list(settings).runs
    known = forecast(settings, request, runs)
    total = len(study.prompts) + len(study.responses)
    assert (known.reuse.left, known.tokens.high, known.forward.high) == (0, 0, 0)
    row = forecast_rows(known)[0]
    assert row["estimate"] == f"0 of {total}"
    told = f"0 of {total} texts to extract; the others are taken from run run-1"
    assert row["basis"].startswith(f"{told}. Nothing would be new")
    assert (known.derive.low, known.derive.high) == (0, 0)
    assert known.derive.basis.startswith("nothing that a trait is derived from has changed")
    # One trait of two lost a prompt: half of what deriving took.
    fewer = dataclasses.replace(study, prompts=study.prompts[1:])
    fewer_ref = publish_study(settings, fewer, content_hash(fewer))
    whole = forecast(settings, dataclasses.replace(request, fresh=True), runs).derive
    half = forecast(settings, dataclasses.replace(request, study=fewer_ref.key), runs).derive
    assert half.high == pytest.approx(whole.high / 2, rel=0.5) and half.low == 0
    assert half.basis.startswith("50% of the traits changed since the earlier run")
    more = dataclasses.replace(study.responses[0], scenario="new", text="abcdefgh" * 10)
    longer = dataclasses.replace(study, responses=(*study.responses, more))
    next_ref = publish_study(settings, longer, content_hash(longer))
    found = forecast(settings, dataclasses.replace(request, study=next_ref.key), runs)
    chat = sum(len(message.content) for message in more.messages)
    assert found.reuse.left == 1
    assert found.tokens.low == pytest.approx((80 + chat) / 5, abs=1)
    assert forecast(settings, dataclasses.replace(request, fresh=True), runs).reuse.left == total

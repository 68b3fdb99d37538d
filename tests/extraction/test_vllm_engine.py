"""vLLM: the architectures it reads, every pooling, texts in parts, a model in parts, and what is
refused. What it has in common with every engine is tested in test_engine_contract.py."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.errors import (
    ExtractionError,
    NotEnoughMemory,
    TextTooLong,
    UnsupportedArchitecture,
    VllmError,
)
from backend.extraction import vllm_engine, vllm_pooling, vllm_process
from backend.extraction.engine import split_device, split_of
from backend.extraction.spans import encode_prompt
from backend.extraction.vllm_engine import VllmEngine
from backend.extraction.vllm_process import VllmProcess, find_vllm
from backend.runs.quick_checks import check_request
from backend.runs.session import session_of
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Prompt
from tests.conftest import REPOSITORY
from tests.support.hidden_states import reference, relative_error
from tests.support.studies import small_study
from tests.support.tiny_models import DEPTH, WIDE_HEADS, save_tiny_model
from tests.support.vllm_process import hosts, is_host, require_vllm

LAYERS = tuple(range(DEPTH + 1))
TOLERANCE = 1e-5
PROMPTS = small_study(scenarios=0)
POOLINGS = ("mean", "last", "mean_rest", "before", "first-3", "end-2")


def silent(_):
    pass


def wanted(model, **values):
    return ExtractionRequest("s@0", str(model), LAYERS, engine="vllm", **values)


def all_of(opened, texts):
    """Activations [layers, texts, d] of all batches."""
    found = np.empty((len(opened.record.layers), texts, opened.record.width), np.float32)
    for batch in opened.batches:
        found[:, list(batch.texts)] = opened.pool(batch).activations
    return found


def by_hand(folder, study, pooling="mean", layers=LAYERS):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = [encode_prompt(tokenizer, prompt) for prompt in study.prompts]
    # In every other form, transformers leaves out that Gemma 2 caps its logits.
    double = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    return reference(double, encoded, layers, pooling)


@pytest.fixture(scope="module")
def running():
    """One process for all tests here that load a model: starting one takes longest."""
    require_vllm()
    process = VllmProcess(find_vllm(""))
    yield process
    process.close()


@pytest.fixture
def process(running, monkeypatch):
    """The running process, which openings take instead of one of their own."""

    class Kept:
        ask, content, cause = running.ask, running.content, running.cause

        def close(self):
            pass

    monkeypatch.setattr(vllm_engine, "VllmProcess", lambda *_: Kept())
    return running


@pytest.mark.long
@pytest.mark.parametrize("family", ["qwen2", "mistral", "gemma2", "gemma3"])
def test_architectures_give_what_transformers_gives(process, settings, tmp_path, family):
    folder = save_tiny_model(tmp_path / family, family, **WIDE_HEADS)
    with VllmEngine(settings, wanted(folder)).opened(PROMPTS, silent) as opened:
        found = all_of(opened, len(PROMPTS.prompts))
    assert relative_error(found, by_hand(folder, PROMPTS)) < TOLERANCE
    assert opened.record.device == "cpu"
    assert {"vllm", "torch", "transformers"} <= set(opened.record.versions)


@pytest.fixture
def loads(monkeypatch):
    """Changes what the process is asked to load."""
    plain = vllm_engine._load

    def change(**values):
        monkeypatch.setattr(vllm_engine, "_load", lambda *a, **k: plain(*a, **k) | values)

    return change


@pytest.mark.long
def test_poolings_of_long_texts_in_parts_and_of_equal_beginnings(
    process, settings, loads, wide_llama
):
    """Texts are longer together than what vLLM is let read at once, and some begin alike, so that
    a cache of beginnings would leave tokens unread. The model is cut after the second block."""
    same = " ".join(["tell me plainly nothing is expected"] * 24)
    ends = ("", "", " tonight", " tonight or before", " else")
    prompts = tuple(
        Prompt(trait, pole, f"{same}{end}")
        for trait in ("warmth", "haste")
        for pole in ("high", "low")
        for end in ends
    )
    study = dataclasses.replace(PROMPTS, prompts=prompts)
    tokenizer = AutoTokenizer.from_pretrained(wide_llama)
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    loads(tokens=200, texts=3)
    layers = (0, 2)
    request = dataclasses.replace(wanted(wide_llama, batch_tokens=1_000_000), layers=layers)
    with VllmEngine(settings, request).opened(study, silent) as opened:
        # A cache of beginnings keeps whole blocks of 128 tokens.
        assert min(len(text.ids) for text in encoded) > 130
        for pooling in POOLINGS:
            record = dataclasses.replace(opened.record, pooling=pooling)
            found = vllm_engine.asked(process, encoded, record).activations
            expected = by_hand(wide_llama, study, pooling, layers)
            assert relative_error(found, expected) < TOLERANCE, pooling


def test_a_text_that_is_put_off_begins_anew_and_a_gap_is_seen():
    # b also gives a text that begins it, which ends with its second token.
    said = {
        "a": {"texts": [0], "pooled": [[1, 3]]},
        "b": {"texts": [1, 2], "pooled": [[1, 3], [0, 2]]},
    }
    runner = SimpleNamespace(
        requests={
            name: SimpleNamespace(sampling_params=SimpleNamespace(extra_args={"steerscope": own}))
            for name, own in said.items()
        }
    )
    pooler = vllm_pooling._Pooler(runner, torch.device("cpu"))
    pooler.layers, pooler._width = [4], 2
    pooler.begin(3)
    rows = torch.arange(20.0).reshape(10, 2)

    def step(names, begun, starts):
        runner.input_batch = SimpleNamespace(req_ids=names, num_computed_tokens_cpu=begun)
        runner.query_start_loc = SimpleNamespace(np=[*starts, 99])
        pooler._begins(None, (), {})
        pooler._reduce(0, rows[: starts[-1]])

    step(["b", "a"], [0, 0], [0, 1, 4])  # the first token of b, and three of a
    step(["a"], [0], [0, 2])  # a begins anew, with two
    step(["b", "a"], [1, 2], [0, 2, 5])
    assert pooler._read == [5, 3, 3]
    a, b, c = (rows[1] + rows[2]) / 2, (rows[0] + rows[1]) / 2, (rows[0] + rows[0]) / 2
    assert torch.equal(pooler._sums[0], torch.stack([a, b, c]))
    assert torch.equal(pooler._first[0], torch.stack([rows[0]] * 3))
    step(["b"], [4], [0, 1])  # its fourth token was never read
    assert pooler._read == [5, 3, 3]


@pytest.mark.long
@pytest.mark.parametrize(("tensor", "pipeline"), [(2, 1), (1, 2)])
def test_a_model_in_two_parts_in_two_processes(settings, wide_llama, tensor, pipeline):
    require_vllm()
    before = hosts()
    request = wanted(wide_llama, tensor_parallel=tensor, pipeline_parallel=pipeline)
    with VllmEngine(settings, request).opened(PROMPTS, silent) as opened:
        found = all_of(opened, len(PROMPTS.prompts))
    assert relative_error(found, by_hand(wide_llama, PROMPTS)) < TOLERANCE
    assert split_of(opened.record.device) == (tensor, pipeline)
    assert hosts() == before


@pytest.mark.long
def test_blocks_that_do_not_add_up_what_they_hand_on_are_refused(process, settings, tmp_path):
    folder = save_tiny_model(tmp_path / "cohere", "cohere", **WIDE_HEADS)
    with (
        pytest.raises(UnsupportedArchitecture, match="cannot be read in vLLM") as fault,
        VllmEngine(settings, wanted(folder)).opened(PROMPTS, silent),
    ):
        raise AssertionError("opened")
    assert "--engine local" in fault.value.remedy


def test_an_architecture_that_vllm_lacks_is_refused(process, settings, wide_llama, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(wide_llama, folder)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["OtherForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config))
    with (
        pytest.raises(UnsupportedArchitecture, match="OtherForCausalLM"),
        VllmEngine(settings, wanted(folder)).opened(PROMPTS, silent),
    ):
        raise AssertionError("opened")


def test_too_little_memory_for_a_batch_is_said(process, settings, loads, wide_llama):
    loads(cached=10**9)
    with (
        pytest.raises(NotEnoughMemory, match="vLLM 0") as fault,
        VllmEngine(settings, wanted(wide_llama)).opened(PROMPTS, silent),
    ):
        raise AssertionError("opened")
    assert "--batch-tokens" in fault.value.remedy


def test_its_runs_are_its_own_and_are_taken_by_the_next(process, settings, wide_llama, monkeypatch):
    study = small_study(scenarios=2)
    ref = publish_study(settings, study, content_hash(study))
    here = ExtractionRequest(ref.key, str(wide_llama), LAYERS)
    there = dataclasses.replace(here, engine="vllm")
    session_of(settings, "here", here, silent).run()
    session_of(settings, "there", there, silent).run()
    monkeypatch.setattr(vllm_engine, "VllmProcess", None)
    session_of(settings, "again", there, silent).run()
    texts = len(study.prompts) + len(study.responses)
    found = {}
    for name in ("here", "there", "again"):
        with open_run(settings, name) as run:
            found[name] = run.activations("response", 2, 0, 1000)
            assert sum(run.record.reused.values()) == (texts if name == "again" else 0)
            assert run.record.engine == ("local" if name == "here" else "vllm")
    assert np.array_equal(found["there"], found["again"])
    assert relative_error(found["there"], found["here"]) < TOLERANCE


@pytest.fixture
def unstarted(monkeypatch):
    """No process may be started."""
    require_vllm()
    monkeypatch.setattr(vllm_engine, "VllmProcess", None)


def test_a_text_that_is_too_long_is_refused_before_the_start(unstarted, settings, wide_llama):
    long = Prompt("warmth", "high", "tell me plainly " * 300)
    study = dataclasses.replace(PROMPTS, prompts=(*PROMPTS.prompts, long))
    with (
        pytest.raises(TextTooLong),
        VllmEngine(settings, wanted(wide_llama)).opened(study, silent),
    ):
        raise AssertionError("opened")


def test_a_device_for_which_vllm_was_not_built_is_refused(unstarted, settings):
    engine = VllmEngine(settings, wanted("no/such-model", device="cuda"))
    with pytest.raises(VllmError, match="built for cpu"), engine.opened(PROMPTS, silent):
        raise AssertionError("opened")


class Cancelled(Exception):
    """What a worker's report raises when its job is cancelled."""


def test_a_cancel_while_the_model_loads_leaves_nothing(settings, wide_llama):
    require_vllm()
    before = hosts()
    loading = []

    def report(progress):
        loading.append(progress.stage)
        if loading.count("loading the model into vLLM") == 2:
            raise Cancelled

    with pytest.raises(Cancelled), VllmEngine(settings, wanted(wide_llama)).opened(PROMPTS, report):
        raise AssertionError("opened")
    assert hosts() == before


def test_the_process_ends_with_the_one_that_started_it():
    require_vllm()
    code = (
        "import time\n"
        "from backend.extraction.vllm_process import VllmProcess, find_vllm\n"
        "process = VllmProcess(find_vllm(''))\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as starter:
        pid = int(starter.stdout.readline())
        # A program that has just been begun has no command line for a moment.
        assert becomes(pid, True)
        starter.kill()
    assert becomes(pid, False)


def becomes(pid, host):
    """Whether a process is one that runs vLLM, or is none, within a minute."""
    deadline = time.monotonic() + 60
    while is_host(pid) is not host and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_host(pid) is host


def test_the_process_gets_no_secret(monkeypatch):
    secrets = ("OPENAI_API_KEY", "HF_TOKEN", "STEERSCOPE_QUEUE_URL", "AWS_PROFILE", "db_password")
    for name in secrets:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    given = vllm_process._environment("")
    assert "s3cret" not in given.values()
    assert given["OMP_NUM_THREADS"] == "3"
    assert given["VLLM_HOST_IP"] == "127.0.0.1"
    there = vllm_process._environment("10.0.0.5:6379")
    assert there["RAY_ADDRESS"] == "10.0.0.5:6379" and "VLLM_HOST_IP" not in there


@pytest.mark.parametrize(
    ("python", "said"),
    [("/no/such/python", "cannot be used: /no/such/python"), (sys.executable, "There is no vLLM")],
)
def test_without_vllm_it_is_said_how_to_get_it(settings, python, said):
    settings = dataclasses.replace(settings, vllm_python=python)
    engine = VllmEngine(settings, wanted("no/such-model"))
    with pytest.raises(VllmError, match=said) as fault, engine.opened(PROMPTS, silent):
        raise AssertionError("opened")
    assert "requirements-vllm.txt" in fault.value.remedy
    assert "STEERSCOPE_VLLM_PYTHON" in fault.value.remedy


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"device": "cuda:1"}, "'cuda:1'"),
        ({"tensor_parallel": 0}, "0 x 1 parts"),
        ({"pipeline_parallel": -1}, "1 x -1 parts"),
    ],
)
def test_what_vllm_cannot_be_given_is_refused_at_once(settings, values, said):
    with pytest.raises(VllmError, match=said):
        VllmEngine(settings, wanted("m", **values))


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_other_engines_say_that_they_split_no_model(settings, engine):
    ref = publish_study(settings, PROMPTS, content_hash(PROMPTS))
    request = ExtractionRequest(ref.key, "m", LAYERS, engine=engine, tensor_parallel=2)
    with pytest.raises(ExtractionError, match=f"engine {engine} does not split") as fault:
        check_request(settings, request)
    assert "--engine vllm" in fault.value.remedy


def test_how_a_model_was_split_is_read_from_its_provenance():
    assert split_of(split_device("cuda", 4, 2)) == (4, 2)
    assert split_device("cpu", 1, 1) == "cpu" and split_of("cpu") == (1, 1)

"""Models on GPUs give what they give on the CPU, and the host waits for them once a batch.

The GPUs are pretended (tests/support/pretended_gpus.py): a test machine has none.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from backend.errors import NotEnoughMemory
from backend.extraction.local_engine import LocalEngine
from backend.extraction.products import product
from backend.extraction.spans import encode_prompt
from backend.extraction.token_projections import project_tokens
from backend.extraction.transfers import fetched, sent
from backend.models import gpus
from backend.models.check import check_memory
from backend.models.load import load
from backend.models.on_disk import HEADROOM, parameters
from backend.models.resolve import resolve
from backend.runs.derivation_session import DerivationSession
from backend.steering.hooks import PROMPT, Readout, steerable, steered
from backend.steering.interventions import Intervention
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.hidden_states import relative_error
from tests.support.pretended_gpus import (
    ARRIVED,
    FETCHED,
    FETCHED_WAITING,
    NUMBER,
    SENT,
    SENT_WAITING,
    pretended_gpus,
)
from tests.support.runs import extract, request_for
from tests.support.studies import chat_study, small_study
from tests.support.tiny_models import DEPTH

STUDY = chat_study(scenarios=4)
LAYERS = tuple(range(DEPTH + 1))
# Grouped attention, biased attention, a sliding window, scaled embeddings.
FAMILIES = ("llama", "qwen2", "mistral", "gemma")
# Other kernels of attention round in another way.
TOLERANCE = 1e-5
# Of the weights, on each of two GPUs: more than half, and less than all.
ENOUGH_FOR_TWO = 0.85


def request(folder, device, **values):
    return ExtractionRequest(
        "chats@0", str(folder), LAYERS, device=device, dtype="float32", batch_tokens=160, **values
    )


def extracted(settings, wanted, order=None):
    """Activations by text, [layers, texts, d], norms of the first tokens, and where they were."""
    with LocalEngine(settings, wanted).opened(STUDY, lambda _: None) as opened:
        assert len(opened.batches) > 3
        found = {}
        for place in range(len(opened.batches)) if order is None else order:
            batch = opened.batches[place]
            pooled = opened.pool(batch)
            for at, text in enumerate(batch.texts):
                found[text] = pooled.activations[:, at], pooled.first.norms[:, at]
        device = opened.record.device
    ordered = [found[text] for text in sorted(found)]
    return np.stack([one for one, _ in ordered], axis=1), [norm for _, norm in ordered], device


@pytest.fixture(params=FAMILIES)
def folder(request, tiny_folders):
    return tiny_folders[request.param]


@pytest.fixture
def weights(tiny_llama):
    """Bytes that the tiny Llama needs."""
    return HEADROOM * parameters(tiny_llama) * 4


def test_a_gpu_gives_what_the_cpu_gives(settings, folder, monkeypatch):
    true, norms, _ = extracted(settings, request(folder, "cpu"))
    with pretended_gpus(monkeypatch):
        found, first, device = extracted(settings, request(folder, "cuda"))
    assert device == "cuda:0"
    assert relative_error(found, true) < TOLERANCE
    np.testing.assert_allclose(first, norms, rtol=TOLERANCE)


def test_the_next_batch_is_begun_before_one_is_waited_for(settings, tiny_llama, monkeypatch):
    with (
        pretended_gpus(monkeypatch) as done,
        LocalEngine(settings, request(tiny_llama, "cuda")).opened(STUDY, lambda _: None) as opened,
    ):
        done.taken()
        # transformers reads one number at the beginning of each pass; nothing else waits.
        begun = [SENT, SENT, SENT, SENT, NUMBER, FETCHED]
        opened.pool(opened.batches[0])
        assert sorted(done.taken()) == sorted([*begun, *begun, ARRIVED])
        for batch in opened.batches[1:-1]:
            opened.pool(batch)
            log = done.taken()
            assert log[-1] == ARRIVED and sorted(log[:-1]) == sorted(begun)
        opened.pool(opened.batches[-1])
        assert done.taken() == [ARRIVED]


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 0, 1, 1, 2, 3), (1, 2, 0, 3, 3)])
def test_batches_in_any_order_are_the_same(settings, tiny_llama, monkeypatch, order):
    with (
        pretended_gpus(monkeypatch),
        LocalEngine(settings, request(tiny_llama, "cuda")).opened(STUDY, lambda _: None) as opened,
    ):
        whole = [opened.pool(batch).activations for batch in opened.batches]
        for place in order:
            np.testing.assert_array_equal(
                opened.pool(opened.batches[place]).activations, whole[place]
            )


def test_a_batch_without_room_beside_another_is_read_after_it(settings, tiny_llama, monkeypatch):
    with (
        pretended_gpus(monkeypatch) as done,
        LocalEngine(settings, request(tiny_llama, "cuda")).opened(STUDY, lambda _: None) as opened,
    ):
        whole = [opened.pool(batch).activations for batch in opened.batches]
        passes = []

        def full(texts):
            passes.append(texts)
            return len(passes) == 2

        done.full = full
        for place, batch in enumerate(opened.batches[:2]):
            np.testing.assert_array_equal(opened.pool(batch).activations, whole[place])
        # The second has no room beside the first, and is read when the third has been begun.
        first, second, third = (len(batch.texts) for batch in opened.batches[:3])
        assert passes == [first, second, third, second]


def test_a_batch_without_room_by_itself_is_halved(settings, tiny_llama, monkeypatch):
    true, _, _ = extracted(settings, request(tiny_llama, "cpu"))
    with pretended_gpus(monkeypatch) as done:
        done.full = lambda texts: texts > 1
        with pytest.raises(NotEnoughMemory, match="does not fit beside"):
            extracted(settings, request(tiny_llama, "cuda"))
        passes = []

        def full(texts):
            passes.append(texts)
            # The model is looked at first, with two short texts.
            return len(passes) > 4 and texts > 1

        done.full = full
        found, _, _ = extracted(settings, request(tiny_llama, "cuda"))
    assert max(passes[4:]) > 2
    assert relative_error(found, true) < TOLERANCE


def test_several_gpus_hold_a_model_that_one_does_not(settings, tiny_llama, weights, monkeypatch):
    true, norms, _ = extracted(settings, request(tiny_llama, "cpu"))
    with pretended_gpus(monkeypatch, count=2, free=int(ENOUGH_FOR_TWO * weights)):
        found, first, device = extracted(settings, request(tiny_llama, "cuda"))
    assert device == "cuda (2 GPUs)"
    assert relative_error(found, true) < TOLERANCE
    np.testing.assert_allclose(first, norms, rtol=TOLERANCE)


@pytest.fixture
def pair(settings, tiny_llama, weights, monkeypatch):
    """The tiny Llama on the CPU, and on two GPUs, which are there until the test ends."""
    resolved = resolve(str(tiny_llama), settings, lambda *_: None)
    whole = load(resolved, device="cpu", dtype="float32", need_chat_template=True)
    with pretended_gpus(monkeypatch, count=2, free=int(ENOUGH_FOR_TWO * weights)):
        split = load(resolved, device="auto", dtype="float32", need_chat_template=True)
        assert set(split.model.hf_device_map.values()) == {"cuda:0", "cuda:1"}
        yield whole, split


def test_tokens_are_projected_on_several_gpus(pair):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2, len(LAYERS), pair[0].width))
    texts = [encode_prompt(pair[0].tokenizer, prompt) for prompt in STUDY.prompts[:2]]
    true, found = (project_tokens(one, texts, LAYERS, directions) for one in pair)
    for one, other in zip(true, found, strict=True):
        np.testing.assert_allclose(other.values, one.values, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(other.norms, one.norms, rtol=1e-5)


def test_steering_reaches_every_gpu(pair):
    """Each layer is changed and read where its block is."""
    rng = np.random.default_rng(1)
    width = pair[0].width
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    rows = [
        [Intervention(layer, rng.normal(size=width), strength=2.0) for layer in LAYERS],
        [Intervention(DEPTH, rng.normal(size=width), mode="ablate")],
    ]
    readings = [Readout(layer, rng.normal(size=width)) for layer in LAYERS]
    seen = []
    for loaded in pair:
        model = steerable(loaded)
        with steered(model, rows, readings) as hooks, torch.inference_mode():
            hooks.expect(torch.full(ids.shape, PROMPT, dtype=torch.int8))
            logits = loaded.model(input_ids=ids.to(loaded.device), use_cache=False).logits
            reads = [(one.before.cpu(), one.after.cpu()) for one in hooks.reads]
        seen.append((logits.cpu(), reads))
    (true, true_reads), (found, found_reads) = seen
    torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-4)
    for one, other in zip(true_reads, found_reads, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def test_what_no_number_of_gpus_holds_is_refused(tiny_llama, weights, settings, monkeypatch):
    wanted = request(tiny_llama, "cuda")
    with pretended_gpus(monkeypatch, count=3, free=int(0.3 * weights)):
        with pytest.raises(NotEnoughMemory, match=r"are free on the 3 GPUs"):
            extracted(settings, wanted)
        # One that was named stands for itself.
        with pytest.raises(NotEnoughMemory, match="are free on cuda:1"):
            extracted(settings, dataclasses.replace(wanted, device="cuda:1"))
    # In sum they would hold it, but none holds the embedding.
    with (
        pretended_gpus(monkeypatch, count=16, free=int(0.07 * weights)),
        pytest.raises(NotEnoughMemory, match="fit on no GPU; a block is never divided"),
    ):
        extracted(settings, wanted)


def test_gpus_share_a_model_only_where_one_does_not_hold_it(tiny_llama, weights, monkeypatch):
    for free, share in ((weights + 1, {}), (0.6 * weights, dict.fromkeys(range(2)))):
        with pretended_gpus(monkeypatch, count=2, free=int(free)):
            found = check_memory(tiny_llama, torch.float32, "cuda")
        assert found.keys() == share.keys()
        assert all(room == int(int(free) / HEADROOM) for room in found.values())


def test_memory_that_torch_keeps_unused_is_free(tiny_llama, weights, monkeypatch):
    free = int(weights) + 1
    with pretended_gpus(monkeypatch, count=2, free=free) as done:
        done.kept = free // 2
        assert check_memory(tiny_llama, torch.float32, "cuda") == {} and done.kept == 0


def test_a_copy_without_waiting_is_there_when_it_was_waited_for(monkeypatch):
    values = torch.arange(6.0).reshape(2, 3)
    with pretended_gpus(monkeypatch, count=2) as done:
        there = sent(values, torch.device("cuda:1"))
        values.zero_()  # the host may go on with its own
        waited = fetched(there)
        there.zero_()  # and so may the GPU
        assert done.taken() == [SENT, FETCHED]
        assert waited().tolist() == [[0, 1, 2], [3, 4, 5]]
        assert done.taken() == [ARRIVED]
        # Those that wait are told apart.
        torch.ones(2).to("cuda").cpu()
        assert done.taken() == [SENT_WAITING, FETCHED_WAITING]
    assert fetched(sent(torch.ones(2), torch.device("cpu")))().tolist() == [1, 1]


def test_a_run_that_a_gpu_extracted_is_derived_where_there_is_none(
    settings, tiny_llama, monkeypatch
):
    study = small_study()
    ref = publish_study(settings, study, content_hash(study))
    on_cpu = request_for(ref, tiny_llama, dtype="float32")
    extract(settings, "cpu", on_cpu)
    with pretended_gpus(monkeypatch):
        extract(settings, "gpu", dataclasses.replace(on_cpu, device="cuda"))
    DerivationSession(settings, "gpu", lambda _: None).run()
    with open_run(settings, "gpu") as one, open_run(settings, "cpu") as other:
        assert one.record.device == "cuda:0" and other.record.device == "cpu"
        for found, true in zip(one.cells(), other.cells(), strict=True):
            assert found.correlation.value == pytest.approx(true.correlation.value, abs=1e-4)


@pytest.mark.parametrize(
    ("made_on", "count", "device"),
    [
        ("cpu", 2, "cpu"),
        ("mps:0", 2, "cpu"),
        ("cuda", 0, "cpu"),
        ("cuda:1", 2, "cuda:1"),
        ("cuda:3", 2, "cuda"),
        ("cuda (2 GPUs)", 1, "cuda"),
        ("cuda (tensor parallel 2, pipeline parallel 1)", 0, "cpu"),
        ("cuda (tensor parallel 2, pipeline parallel 1)", 1, "cuda"),
    ],
)
def test_products_are_computed_where_there_is_a_gpu(monkeypatch, made_on, count, device):
    """A run that was made on another machine can be derived here."""
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(2, 5))
    monkeypatch.setattr(gpus, "may_have_cuda", lambda: count > 0)
    with pretended_gpus(monkeypatch, count=count):
        assert gpus.computing_device(made_on) == device
        found = product(left, right, device)
    np.testing.assert_allclose(found, left.astype(np.float64) @ right.T, rtol=1e-13)

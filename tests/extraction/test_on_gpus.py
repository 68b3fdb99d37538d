"""Models on GPUs give what they give on the CPU, and the host waits for them once a batch.

The GPUs are pretended (tests/support/pretended_gpus.py): a test machine has none.
"""

from __future__ import annotations

import dataclasses
import logging
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaPreTrainedModel

from backend.errors import NotEnoughMemory
from backend.extraction import products
from backend.extraction.local_engine import LocalEngine
from backend.extraction.products import product
from backend.extraction.spans import encode_prompt
from backend.extraction.token_projections import project_tokens
from backend.extraction.transfers import fetched, sent
from backend.models import gpus
from backend.models.check import Room, check_memory
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


def request(folder, device):
    return ExtractionRequest(
        "chats@0", str(folder), LAYERS, device=device, dtype="float32", batch_tokens=160
    )


def extracted(settings, wanted):
    """Activations by text, [layers, texts, d], norms of the first tokens, and where they were."""
    with LocalEngine(settings, wanted).opened(STUDY, lambda _: None) as opened:
        assert len(opened.batches) > 3
        found = {}
        for batch in opened.batches:
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
        pytest.raises(NotEnoughMemory, match="parts have room on none of the 16 GPUs"),
    ):
        extracted(settings, wanted)


def test_what_must_stay_together_has_to_be_known(settings, tiny_llama, weights, monkeypatch):
    monkeypatch.setattr(LlamaPreTrainedModel, "_no_split_modules", None)
    with (
        pretended_gpus(monkeypatch, count=2, free=int(ENOUGH_FOR_TWO * weights)),
        pytest.raises(NotEnoughMemory, match="how a LlamaForCausalLM may be divided"),
    ):
        extracted(settings, request(tiny_llama, "cuda"))


@pytest.mark.parametrize(
    ("free", "device"),
    [
        ((0.1, 0.1, 1.1), "cuda:2"),  # the first that holds it by itself
        ((None, 1.1), "cuda:1"),  # one that cannot be asked has no room
        ((1.1, None), "cuda:0"),
        ((0.9, 0.6), "cuda (2 GPUs)"),
        ((0.6, 0.9), "cuda (2 GPUs)"),
        ((0.9, 0.7, None), "cuda (2 GPUs)"),
        # Embedding and head, and a block each between them.
        ((0.65, 0.35, 0.55), "cuda (3 GPUs)"),
    ],
)
def test_gpus_of_unequal_room_hold_what_they_can(
    settings, tiny_llama, weights, monkeypatch, free, device
):
    rooms = [None if share is None else int(share * weights) for share in free]
    true, _, _ = extracted(settings, request(tiny_llama, "cpu"))
    with pretended_gpus(monkeypatch, free=rooms):
        found, _, there = extracted(settings, request(tiny_llama, "cuda"))
    assert there == device
    assert relative_error(found, true) < TOLERANCE


def test_a_gpu_that_cannot_be_asked_holds_nothing(tiny_llama, monkeypatch):
    with (
        pretended_gpus(monkeypatch, free=(None, None)),
        pytest.raises(NotEnoughMemory, match=r"0\.0 GiB are free on the 2 GPUs"),
    ):
        check_memory(tiny_llama, torch.float32, "cuda")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_closed_engine_holds_no_model(settings, tiny_llama, weights, monkeypatch, count):
    """Also while it waits for the collector, and whoever pooled still has it."""
    wanted = request(tiny_llama, "cuda" if count else "cpu")
    gpus_there = (
        pretended_gpus(monkeypatch, count, int((1.1 if count == 1 else ENOUGH_FOR_TWO) * weights))
        if count
        else nullcontext()
    )
    made = []

    def noting(*args, **kwargs):
        loaded = load(*args, **kwargs)
        made.append(weakref.ref(loaded.model))
        return loaded

    monkeypatch.setattr("backend.models.load.load", noting)
    with gpus_there, LocalEngine(settings, wanted).opened(STUDY, lambda _: None) as opened:
        opened.pool(opened.batches[0])
        assert made[0]() is not None
    with pytest.raises(RuntimeError, match="closed"):
        opened.pool(opened.batches[0])
    assert made[0]() is None


def test_memory_that_torch_keeps_unused_is_free(tiny_llama, weights, monkeypatch):
    free = int(weights) + 1
    with pretended_gpus(monkeypatch, count=2, free=free) as done:
        done.kept = free // 2
        assert check_memory(tiny_llama, torch.float32, "cuda") == Room("cuda", {})
        assert done.kept == 0


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
    monkeypatch.setattr(gpus, "may_have_cuda", lambda: False)
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


def test_products_are_computed_here_where_a_gpu_is_full(monkeypatch, caplog):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(products, "_on_gpu", full)
    with caplog.at_level(logging.WARNING):
        assert product(np.ones((1, 2)), np.ones((1, 2)), "cuda:0").tolist() == [[2]]
    assert "on the CPU, as cuda:0 cannot: CUDA out of memory" in caplog.text


def test_without_memory_to_pin_a_copy_waits(monkeypatch):
    with pretended_gpus(monkeypatch) as done:
        there = sent(torch.arange(3.0), torch.device("cuda"))
        done.taken()
        done.unpinned = True
        waited = fetched(there)
        assert done.taken() == [FETCHED_WAITING] and waited().tolist() == [0, 1, 2]

"""Pooled activations equal float64 hidden states of single texts, whatever the batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Phi3Config

from backend.errors import LayerOutOfRange
from backend.extraction.batches import plan_batches, read_together
from backend.extraction.onednn import fast_linears
from backend.extraction.pooling import PooledForward
from backend.extraction.spans import EncodedText, encode_prompt, encode_response
from backend.models.rope import rope_switch
from backend.poolings import POOLINGS
from backend.types import Message, Prompt, Response
from tests.support.hidden_states import hidden_states, reference, relative_error
from tests.support.tiny_models import DEPTH, FAMILIES, without_bos

# The last layer's hidden state is after the final norm in transformers and is not comparable,
# so block DEPTH is checked by a hook of the test's own.
LAYERS = (0, 1, 2, 3)
TOLERANCE = 1e-5


def texts(tokenizer, count=7):
    rng = np.random.default_rng(5)
    words = "you keep saying it was expected and still there is an ache in his name".split()
    found = []
    for i in range(count):
        text = " ".join(rng.choice(words, size=int(rng.integers(1, 40))))
        if i % 2:
            chat = (Message("user", " ".join(rng.choice(words, size=8))),)
            found.append(encode_response(tokenizer, Response("s", text, messages=chat)))
        elif i % 4:
            chat = (Message("system", " ".join(rng.choice(words, size=5))), Message("user", "so"))
            found.append(encode_prompt(tokenizer, Prompt("t", "high", text, messages=chat)))
        else:
            found.append(encode_prompt(tokenizer, Prompt("t", "high", text)))
    return found


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tiny_folders):
    folder = tiny_folders[request.param]
    single = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    double = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    return AutoTokenizer.from_pretrained(folder), single, double


@pytest.mark.parametrize(
    ("pooling", "bos"),
    [
        ("mean", True),
        ("last", True),
        ("mean_rest", True),
        ("mean_rest", False),
        ("before", True),
        ("first-3", False),
        ("end-2", True),
    ],
)
def test_any_batch_equals_float64_one_by_one(pair, pooling, bos):
    tokenizer, single, double = pair
    encoded = texts(tokenizer if bos else without_bos(tokenizer))
    assert all(text.wanted[0] for text in encoded[::4]) != bos
    expected = reference(double, encoded, LAYERS, pooling)
    with PooledForward(single, DEPTH, LAYERS, pooling).opened() as forward:
        together = forward.pool(encoded).activations
        alone = np.concatenate([forward.pool([text]).activations for text in encoded], axis=1)
        order = np.random.default_rng(1).permutation(len(encoded))
        shuffled = forward.pool([encoded[i] for i in order]).activations
    assert relative_error(together, expected) < TOLERANCE
    assert relative_error(alone, expected) < TOLERANCE
    assert relative_error(shuffled, expected[:, order]) < TOLERANCE


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_first_token_is_watched_whatever_is_pooled(pair, pooling):
    tokenizer, single, double = pair
    # Without a token before it, a plain text has nothing that "before" could take.
    encoded = texts(tokenizer if pooling == "before" else without_bos(tokenizer), 4)
    with PooledForward(single, DEPTH, LAYERS, pooling).opened() as forward:
        found = forward.pool(encoded)
    for place, states in enumerate(hidden_states(double, encoded, LAYERS)):
        taken = np.array(encoded[place].pooled(pooling))
        weights = taken / taken.sum()
        pooled = np.einsum("t,ltd->ld", weights, states)
        # Every token's share of the pooled squared length; the first is the one that is kept.
        shares = weights * np.einsum("ltd,ld->lt", states, pooled) / (pooled**2).sum(1)[:, None]
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        np.testing.assert_allclose(found.first.shares[:, place], shares[:, 0], atol=1e-4)
        norms = np.linalg.norm(states[:, 0], axis=1)
        np.testing.assert_allclose(found.first.norms[:, place], norms, rtol=1e-4)
        if not taken[0]:
            assert not found.first.shares[:, place].any()


def conversation(tokenizer, turns):
    """The responses of a chat, each with all of it before, and the last two once more."""
    rng = np.random.default_rng(8)
    words = "you keep saying it was expected and still there is an ache in his name".split()
    chat, found = [], []
    for turn in range(turns):
        said = [" ".join(rng.choice(words, size=int(rng.integers(2, 9)))) for _ in range(2)]
        chat.append(Message("user", said[0]))
        found.append(Response("s", said[1], turn=f"t{turn + 1}", messages=tuple(chat)))
        chat.append(Message("assistant", said[1]))
    again = [dataclasses.replace(one, scenario="again") for one in found[-2:]]
    return [encode_response(tokenizer, one) for one in (*found, *again)]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_turns_of_a_chat_are_pooled_in_one_pass_as_one_by_one(pair, pooling):
    tokenizer, single, double = pair
    encoded = conversation(tokenizer, 4)
    assert read_together([text.ids for text in encoded]) == {5: [0, 1, 2, 3, 4, 5]}
    read = []
    watching = single.get_decoder().register_forward_pre_hook(
        lambda _module, _args, given: read.append(tuple(given["input_ids"].shape)),
        with_kwargs=True,
    )
    with PooledForward(single, DEPTH, LAYERS, pooling).opened() as forward:
        read.clear()
        order = np.random.default_rng(2).permutation(len(encoded))
        found = forward.pool([encoded[i] for i in order])
    watching.remove()
    assert read == [(1, len(encoded[3].ids))]
    expected = reference(double, encoded, LAYERS, pooling)[:, order]
    assert relative_error(found.activations, expected) < TOLERANCE
    states = hidden_states(double, encoded, LAYERS)
    norms = np.stack([np.linalg.norm(states[i][:, 0], axis=1) for i in order], axis=1)
    np.testing.assert_allclose(found.first.norms, norms, rtol=1e-4)


def test_a_model_with_other_positions_for_long_texts_reads_short_ones_apart():
    """Phi-3's longrope: what begins a long text has other activations there than alone."""
    torch.manual_seed(0)
    half = 8
    config = Phi3Config(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=DEPTH,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        max_position_embeddings=64,
        original_max_position_embeddings=32,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10_000.0,
            "short_factor": [1.0] * half,
            "long_factor": [4.0] * half,
            "original_max_position_embeddings": 32,
        },
    )
    single = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    double = AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval()
    double.load_state_dict(single.state_dict())
    assert rope_switch(config) == 32
    rng = np.random.default_rng(1)
    ids = tuple(int(i) for i in rng.integers(1, 300, 60))
    encoded = [EncodedText(ids[:end], (True,) * end) for end in (10, 14, 32, 33, 50, 60)]
    expected = reference(double, encoded, LAYERS, "mean")
    texts = [text.ids for text in encoded]
    assert read_together(texts, 32) == {2: [0, 1, 2], 5: [3, 4, 5]}
    batches = plan_batches(texts, 10_000, 32)
    assert [batch.texts for batch in batches] == [(3, 4, 5), (0, 1, 2)]
    with PooledForward(single, DEPTH, LAYERS, "mean").opened() as forward:
        for batch in batches:
            found = forward.pool([encoded[i] for i in batch.texts]).activations
            assert relative_error(found, expected[:, list(batch.texts)]) < TOLERANCE
        # What it is for: read beside a long one, a short text would be another.
        beside = forward.pool([encoded[0], encoded[5]]).activations[:, :1]
    assert relative_error(beside, expected[:, :1]) > 100 * TOLERANCE


def test_stopping_early_gives_the_same_and_restores_the_model(pair):
    tokenizer, single, double = pair
    encoded = texts(tokenizer, 4)
    before = single.get_decoder().layers
    with PooledForward(single, DEPTH, (1,), "mean").opened() as forward:
        assert len(single.get_decoder().layers) == 1
        found = forward.pool(encoded).activations
    assert single.get_decoder().layers is before
    assert not any(block._forward_hooks for block in before)
    assert relative_error(found, reference(double, encoded, (1,), "mean")) < TOLERANCE


def test_the_model_is_restored_after_an_error(pair):
    _, single, _ = pair
    before = single.get_decoder().layers
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        PooledForward(single, DEPTH, (1, 2), "mean").opened(),
    ):
        raise RuntimeError("on purpose")
    assert single.get_decoder().layers is before


@pytest.mark.parametrize("layers", [(), (4,), (-1, 2), (2, 1), (1, 1)])
def test_impossible_layers_are_named(pair, layers):
    with pytest.raises(LayerOutOfRange, match="3 decoder blocks"):
        PooledForward(pair[1], DEPTH, layers, "mean")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.model
def test_smollm2_equals_float32_hidden_states_one_by_one(smollm2):
    layers = tuple(range(8, 20))
    encoded = texts(smollm2.tokenizer, 12)
    expected = reference(smollm2.model, encoded, layers, "mean")
    with PooledForward(smollm2.model, smollm2.depth, layers, "mean").opened() as forward:
        assert relative_error(forward.pool(encoded).activations, expected) < TOLERANCE


@pytest.mark.slow
@pytest.mark.model
def test_smollm2_has_a_huge_first_token_which_the_mean_without_it_leaves_out(smollm2):
    """In layers 12 to 19 its norm is over 50 times the others' mean, and it is most of the mean."""
    layers = tuple(range(12, 20))
    prompts = [
        "Fourteen years, and they hand you a box? I am shaking with you.",
        "The surgeon calls it a beautiful result. You have not slept since.",
        "Roses, did you say? Mine have black spot, and nothing helps.",
    ]
    encoded = [encode_prompt(smollm2.tokenizer, Prompt("t", "high", text)) for text in prompts]
    assert all(text.wanted[0] for text in encoded)  # the tokenizer adds nothing before the text
    found = {}
    for pooling in ("mean", "mean_rest"):
        with PooledForward(smollm2.model, smollm2.depth, layers, pooling).opened() as forward:
            found[pooling] = forward.pool(encoded)
    rest = np.linalg.norm(found["mean_rest"].activations, axis=2)
    assert (found["mean"].first.norms > 50 * rest).all()
    assert (found["mean"].first.shares > 0.7).all()
    assert (np.linalg.norm(found["mean"].activations, axis=2) > 2 * rest).all()
    assert not found["mean_rest"].first.shares.any()


def test_onednn_leaves_the_model_as_it_was(tiny_folders):
    model = AutoModelForCausalLM.from_pretrained(tiny_folders["qwen2"]).eval()
    before = {name: value.clone() for name, value in model.named_parameters()}
    ids = torch.tensor([[1, 5, 9, 2]])
    with torch.inference_mode():
        expected = model(ids).logits
    blocks = model.get_decoder().layers
    with pytest.raises(ValueError, match="inside"), fast_linears(blocks):
        assert not isinstance(blocks[0].self_attn.q_proj, torch.nn.Linear)
        with torch.inference_mode():
            inside = model(ids).logits
        raise ValueError("inside")
    assert (inside - expected).abs().max() <= 1e-5 * expected.abs().max()
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]), name
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, expected)

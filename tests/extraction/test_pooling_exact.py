"""Pooled activations equal float64 hidden states of single texts, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.errors import LayerOutOfRange, UnsupportedArchitecture
from backend.extraction.onednn import fast_linears
from backend.extraction.pooling import PooledForward, find_blocks
from backend.extraction.spans import encode_prompt, encode_response
from backend.types import Message, Prompt, Response
from tests.support.tiny_models import DEPTH, FAMILIES

# The last layer's hidden state is after the final norm in transformers and is not comparable,
# so block DEPTH is checked by a hook of the test's own.
LAYERS = (0, 1, 2, 3)
TOLERANCE = 1e-5


def texts(tokenizer, count=9):
    rng = np.random.default_rng(5)
    words = "you keep saying it was expected and still there is an ache in his name".split()
    found = []
    for i in range(count):
        text = " ".join(rng.choice(words, size=int(rng.integers(1, 40))))
        if i % 2:
            chat = (Message("user", " ".join(rng.choice(words, size=8))),)
            found.append(encode_response(tokenizer, Response("s", text, messages=chat)))
        else:
            found.append(encode_prompt(tokenizer, Prompt("t", "high", text)))
    return found


def reference(model, encoded, layers, pooling):
    """float64, one text at a time, output_hidden_states; the last block by its own hook."""
    rows = []
    blocks = model.get_decoder().layers
    for text in encoded:
        last = {}
        hook = blocks[-1].register_forward_hook(
            lambda _m, _a, out, last=last: last.update(h=out[0] if isinstance(out, tuple) else out)
        )
        with torch.no_grad():
            states = model(torch.tensor([text.ids]), output_hidden_states=True).hidden_states
        hook.remove()
        wanted = np.array(text.wanted)
        row = []
        for layer in layers:
            state = (last["h"] if layer == len(blocks) else states[layer])[0].numpy()
            row.append(state[wanted].mean(0) if pooling == "mean" else state[wanted][-1])
        rows.append(row)
    return np.array(rows).transpose(1, 0, 2)


def relative_error(found, expected):
    """Largest error of a coordinate, relative to the largest coordinate of its vector."""
    return (np.abs(found - expected).max(-1) / np.abs(expected).max(-1)).max()


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tiny_folders):
    folder = tiny_folders[request.param]
    single = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    double = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    return AutoTokenizer.from_pretrained(folder), single, double


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_any_batch_equals_float64_one_by_one(pair, pooling):
    tokenizer, single, double = pair
    encoded = texts(tokenizer)
    expected = reference(double, encoded, LAYERS, pooling)
    with PooledForward(single, DEPTH, LAYERS, pooling).opened() as forward:
        together = forward.pool(encoded)
        alone = np.concatenate([forward.pool([text]) for text in encoded], axis=1)
        order = np.random.default_rng(1).permutation(len(encoded))
        shuffled = forward.pool([encoded[i] for i in order])
    assert relative_error(together, expected) < TOLERANCE
    assert relative_error(alone, expected) < TOLERANCE
    assert relative_error(shuffled, expected[:, order]) < TOLERANCE


def test_stopping_early_gives_the_same_and_restores_the_model(pair):
    tokenizer, single, double = pair
    encoded = texts(tokenizer, 4)
    before = single.get_decoder().layers
    with PooledForward(single, DEPTH, (1,), "mean").opened() as forward:
        assert len(single.get_decoder().layers) == 1
        found = forward.pool(encoded)
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


def test_a_model_without_a_list_of_blocks_is_refused():
    with pytest.raises(UnsupportedArchitecture, match="no list of 3"):
        find_blocks(torch.nn.Linear(2, 2), 3)


@pytest.mark.slow
@pytest.mark.model
def test_smollm2_equals_float32_hidden_states_one_by_one(smollm2):
    layers = tuple(range(8, 20))
    encoded = texts(smollm2.tokenizer, 12)
    expected = reference(smollm2.model, encoded, layers, "mean")
    with PooledForward(smollm2.model, smollm2.depth, layers, "mean").opened() as forward:
        assert relative_error(forward.pool(encoded), expected) < TOLERANCE


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

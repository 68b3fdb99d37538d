"""Each type that transformers calls causal is exact, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from backend.errors import UnsupportedArchitecture
from backend.extraction.onednn import fast_linears, read_directly
from backend.extraction.pooling import PooledForward
from backend.extraction.residual import find_blocks
from tests.support.causal_types import (
    DEPTH,
    EXACT,
    TYPES,
    error_of,
    listed,
    outcome,
    shrunk,
    small_model,
)


def test_the_doc_lists_every_type_once():
    assert sorted(listed()) == sorted(TYPES)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", TYPES)
@pytest.mark.filterwarnings("ignore")  # what a type's own code warns of is not asked here
def test_what_becomes_of_a_type_is_what_the_doc_says(model_type):
    assert outcome(model_type) == listed()[model_type]


@pytest.mark.parametrize(
    ("model_type", "values"),
    [
        ("bert", {}),
        ("roberta", {}),
        ("llama", {"is_causal": False}),
        ("gemma3_text", {"use_bidirectional_attention": True}),
    ],
)
def test_a_model_that_reads_both_ways_is_refused(model_type, values):
    with pytest.raises(UnsupportedArchitecture, match="is not causal") as fault:
        error_of(model_with(model_type, values))
    assert "left to right" in fault.value.remedy


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra"])
def test_an_encoder_made_a_decoder_is_exact(model_type):
    assert error_of(model_with(model_type, {"is_decoder": True})) < 1e-4


def model_with(model_type, values):
    config = shrunk(model_type)
    for name, value in values.items():
        setattr(config, name, value)
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.15)
    return model


def test_blocks_are_those_that_hand_on_the_stream_not_a_list_of_as_many():
    class WithDecoy(nn.Module):
        """A decoder with a list of as many modules before its blocks, which run too."""

        def __init__(self, inner):
            super().__init__()
            self.decoys = nn.ModuleList(nn.Linear(64, 64) for _ in range(DEPTH))
            self.inner = inner

        def forward(self, input_ids, use_cache):
            for decoy in self.decoys:
                decoy(torch.ones(2, input_ids.shape[1], 64))
            return self.inner(input_ids=input_ids, use_cache=use_cache)

    model = small_model("llama")
    own = model.model
    model.model = WithDecoy(own)
    model.get_decoder = lambda: model.model
    found = find_blocks(model, DEPTH)
    assert (found.owner, found.name) == (own, "layers")


def test_a_list_of_the_right_length_that_hands_on_nothing_is_refused():
    with pytest.raises(UnsupportedArchitecture, match=f"no list of {DEPTH} decoder blocks"):
        find_blocks(small_model("xlm"), DEPTH)


def test_more_than_one_stream_is_refused_by_name():
    with pytest.raises(UnsupportedArchitecture, match=r"Gemma3n.* \[4, texts, tokens, 64\]"):
        find_blocks(small_model("gemma3n_text"), DEPTH)


class ReadsTheWeight(nn.Module):
    """A block whose first layer is read by its surroundings, whose second is not."""

    def __init__(self):
        super().__init__()
        self.read, self.plain = nn.Linear(8, 8, bias=False), nn.Linear(8, 8)

    def forward(self, x):
        return self.plain(x @ self.read.weight.T)


def test_layers_whose_weights_are_read_are_seen_and_left_alone():
    block = ReadsTheWeight().requires_grad_(False)
    x = torch.randn(3, 8)
    expected = block(x)
    with read_directly([block]) as direct:
        block(x)
    assert direct == {id(block.read)}
    assert type(block.read) is type(block.plain) is nn.Linear
    with fast_linears([block], direct):
        assert type(block.read) is nn.Linear and type(block.plain) is not nn.Linear
        torch.testing.assert_close(block(x), expected)
    assert torch.equal(block(x), expected)


def test_a_layer_that_two_blocks_share_keeps_its_weights():
    blocks = [nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4))]
    blocks[1][0] = blocks[0][0]
    before = blocks[0][0].weight.clone()
    with fast_linears(blocks):
        assert type(blocks[0][0]) is type(blocks[1][0]) is nn.Linear
    assert torch.equal(blocks[1][0].weight, before)


def test_what_linear_layers_cannot_be_exchanged_is_run_without(monkeypatch):
    """Where the few tokens come out otherwise, the layers stay PyTorch's."""
    from backend.extraction import cut, onednn

    monkeypatch.setattr(cut, "onednn_helps", lambda: True)
    monkeypatch.setattr(onednn._OneDnnLinear, "forward", lambda self, x: x.new_zeros(1))
    model = small_model("llama")
    with PooledForward(model, DEPTH, (1,), "mean").opened():
        assert type(model.model.layers[0].self_attn.q_proj) is nn.Linear
    assert error_of(model) < 1e-4


@pytest.mark.parametrize("helps", [True, False])
def test_linear_layers_are_exchanged_where_it_helps(monkeypatch, helps):
    monkeypatch.setattr("backend.extraction.cut.onednn_helps", lambda: helps)
    model = small_model("llama")
    with PooledForward(model, DEPTH, (1,), "mean").opened():
        assert (type(model.model.layers[0].self_attn.q_proj) is not nn.Linear) == helps
    assert error_of(model) < 1e-4


def test_a_model_whose_first_blocks_need_the_last_is_refused_when_cut():
    model = small_model("llama")
    whole = model.model.layers
    whole[0].register_forward_hook(lambda *_: None)
    original = whole[0].forward
    whole[0].forward = lambda x, **kwargs: original(x * len(model.model.layers), **kwargs)
    with (
        pytest.raises(UnsupportedArchitecture, match="blocks after the last wanted layer"),
        PooledForward(model, DEPTH, (1,), "mean").opened(),
    ):
        pass
    assert model.model.layers is whole


def test_the_sweep_has_types_of_both_kinds():
    found = listed().values()
    assert sum(reason == EXACT for reason in found) > len(TYPES) // 2
    assert any(reason != EXACT for reason in found)


def test_a_config_without_one_stack_of_blocks_is_refused():
    from backend.models.load import shape_of

    with pytest.raises(UnsupportedArchitecture, match="no single stack"):
        shape_of(shrunk("blt"), "blt")
    assert shape_of(LlamaConfig(num_hidden_layers=3, hidden_size=32), "x") == (3, 32)

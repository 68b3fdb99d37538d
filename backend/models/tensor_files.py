"""Tensors of a file that anybody may have made: safetensors, npz, torch's ``.pt`` and GGUF.

No file can run code: npz is read without pickles, ``.pt`` with torch's ``weights_only``. Nor can
one take a machine's memory: what its table of contents says is summed up before it is unpacked.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import ImportFault
from backend.studies.faults import shown
from backend.studies.limits import size

# A vector at each of 127 layers of 16,384 numbers takes 8 MiB.
MOST_VECTOR_BYTES = 64 * 2**20
# Tensors of one file; a vector at each of 100 layers for each of 100 traits.
MOST_TENSORS = 10_000
# What reading a damaged file of the formats raises.
_DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OSError,
    OverflowError,
    MemoryError,
    RuntimeError,
    AttributeError,
    struct.error,
    zipfile.BadZipFile,
)


class _NotFloating(ValueError):
    """Whole numbers or the like: nothing is damaged, and another copy would be the same."""


@dataclass(frozen=True, eq=False)
class TensorFile:
    """What a file holds.

    Attributes:
        kind: the format, in words.
        tensors: name -> values, floating point; a file of one unnamed tensor has the name "".
        about: what the file says of itself, as texts.
    """

    kind: str
    tensors: Mapping[str, NDArray[np.floating]]
    about: Mapping[str, str]


def read_tensors(path: Path, most_bytes: int = MOST_VECTOR_BYTES) -> TensorFile:
    """Read every tensor of a file.

    Args:
        path: the file; its name's end says its format.
        most_bytes: how many bytes the file, and its tensors as float32, may take.

    Raises:
        ImportFault: the file is missing, too large, damaged, of another format, or holds something
            else than floating-point tensors.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ImportFault(
            f"{shown(path.name)} is in no format that can be read.",
            expected=f"a file that ends in {', '.join(_READERS)}.",
            remedy="save it in one of these formats.",
        )
    if not path.is_file():
        raise ImportFault(
            f"There is no file {shown(str(path))}.",
            expected="a file that can be read.",
            remedy="correct the path.",
        )
    _refuse_large(path.name, path.stat().st_size, most_bytes)
    try:
        found = reader(path, most_bytes)
    except _DAMAGE as fault:
        said = (str(fault).splitlines() or [type(fault).__name__])[0][:200].rstrip(".")
        raise ImportFault(
            f"{shown(path.name)} cannot be read: {said}.",
            expected=f"a whole file of the format {path.suffix.lower()}, of tensors only.",
            remedy="save its tensors as float32."
            if isinstance(fault, _NotFloating)
            else "save or copy it again.",
        ) from fault
    if not found.tensors:
        raise ImportFault(
            f"{shown(path.name)} holds no tensor.",
            expected="at least one vector.",
            remedy="choose another file.",
        )
    return found


def write_pt(tensor: NDArray[np.float32], path: Path) -> None:
    """Write one tensor as torch saves it.

    Args:
        tensor: any shape, float32.
        path: the file.
    """
    import torch  # takes seconds

    torch.save(torch.from_numpy(np.ascontiguousarray(tensor)), path)


def _safetensors(path: Path, most_bytes: int) -> TensorFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            names = list(file.keys())
            _refuse_many(path.name, len(names))
            types = {name: str(file.get_slice(name).get_dtype()) for name in names}
            about = file.metadata() or {}
            if set(types.values()) <= {"F16", "F32", "F64"}:
                return TensorFile(
                    "safetensors", {name: file.get_tensor(name) for name in names}, about
                )
        # numpy has no bfloat16.
        with safe_open(path, "pt") as file:
            tensors = {name: _of_torch(name, file.get_tensor(name), most_bytes) for name in names}
        return TensorFile("safetensors", tensors, about)
    except SafetensorError as fault:
        raise ValueError(str(fault)) from fault


def _npz(path: Path, most_bytes: int) -> TensorFile:
    _refuse_large(path.name, _unpacked(path), most_bytes)
    with np.load(path, allow_pickle=False) as file:
        _refuse_many(path.name, len(file.files))
        return TensorFile("npz", {name: _floating(name, file[name]) for name in file.files}, {})


def _pt(path: Path, most_bytes: int) -> TensorFile:
    import torch

    _refuse_large(path.name, _unpacked(path), most_bytes)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # torch raises pickle's errors, which it does not name
        # Its own message advises to load the file in a way that runs what is in it.
        raise ValueError("it is damaged, or holds other things than tensors") from fault
    if isinstance(found, torch.Tensor):
        return TensorFile("torch .pt", {"": _of_torch("", found, most_bytes)}, {})
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__} instead of tensors")
    _refuse_many(path.name, len(found))
    texts = {str(key): value for key, value in found.items() if isinstance(value, str)}
    tensors = {
        str(key): _of_torch(str(key), value, most_bytes)
        for key, value in found.items()
        if not isinstance(value, str | int | float | bool | None)
    }
    return TensorFile("torch .pt", tensors, texts)


def _gguf(path: Path, _: int) -> TensorFile:
    import gguf

    reader = gguf.GGUFReader(path)
    fields = {
        name: str(field.contents())
        for name, field in reader.fields.items()
        if field.types and field.types[0] == gguf.GGUFValueType.STRING
    }
    if fields.get("general.architecture") != "controlvector":
        raise ValueError(
            f"its general.architecture is {fields.get('general.architecture')!r}, and that of a "
            "control vector is 'controlvector'"
        )
    _refuse_many(path.name, len(reader.tensors))
    # Copied, as the reader maps the file.
    tensors = {one.name: _floating(one.name, np.array(one.data)) for one in reader.tensors}
    return TensorFile("GGUF control vector", tensors, fields)


_READERS: dict[str, Callable[[Path, int], TensorFile]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".pt": _pt,
    ".gguf": _gguf,
}
SUFFIXES = tuple(_READERS)


def told_json(about: Mapping[str, str], key: str) -> dict[str, Any]:
    """A JSON object that a file's head holds; empty where it holds none.

    Args:
        about: of the file.
        key: its name there.
    """
    try:
        found = json.loads(about.get(key, "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_torch(name: str, tensor: Any, most_bytes: int) -> NDArray[np.floating]:
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{name!r} is a {type(tensor).__name__} instead of a tensor")
    if not tensor.is_floating_point():
        raise _NotFloating(f"tensor {name!r} is of {tensor.dtype} instead of floating point")
    # A tensor of stride 0 says more numbers than the file holds.
    if tensor.numel() * 4 > most_bytes:
        raise ValueError(f"tensor {name!r} has {tensor.numel():,} numbers")
    wide = tensor.detach().cpu().to_dense()
    kept = wide if wide.dtype == torch.float64 else wide.float()
    values: NDArray[np.floating] = kept.numpy()
    return values


def _floating(name: str, values: NDArray[Any]) -> NDArray[np.floating]:
    if not np.issubdtype(values.dtype, np.floating):
        raise _NotFloating(f"{name!r} is of {values.dtype} instead of floating point")
    return values


def _unpacked(path: Path) -> int:
    """Bytes of a zip's files as its table of contents says, which unpacking holds it to."""
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _refuse_large(name: str, count: int, most_bytes: int) -> None:
    if count > most_bytes:
        raise ImportFault(
            f"{shown(name)} takes {size(count)}.",
            expected=f"at most {size(most_bytes)}.",
            remedy="save fewer layers, or float32 instead of float64.",
        )


def _refuse_many(name: str, count: int) -> None:
    if count > MOST_TENSORS:
        raise ImportFault(
            f"{shown(name)} holds {count:,} tensors.",
            expected=f"at most {MOST_TENSORS:,}.",
            remedy="save fewer in one file.",
        )

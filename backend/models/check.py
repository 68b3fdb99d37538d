"""What can be told about a model before its weights are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from backend.errors import (
    DeviceUnavailable,
    ModelNotFound,
    NotEnoughMemory,
    UnsafeCheckpoint,
    UnsupportedArchitecture,
)

# Activations, buffers and the allocator's slack, beside the weights.
HEADROOM = 1.15
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot or must not be loaded.

    Raises:
        ModelNotFound: no config or no tokenizer.
        UnsafeCheckpoint: weights exist only as pickles.
        UnsupportedArchitecture: not a causal language model that transformers builds itself.
    """
    config = _read_config(folder)
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(f.name for f in folder.iterdir() if f.suffix in _PICKLES)
        if pickles:
            raise UnsafeCheckpoint(
                f"{folder.name} has weights only as pickle files ({', '.join(pickles[:3])}).",
                expected="*.safetensors; a pickle can run code when opened.",
                remedy="convert it with a tool you trust, or get the safetensors revision.",
            )
        raise ModelNotFound(
            f"{folder} has no weights.",
            expected="one or more *.safetensors files.",
            remedy="check that the download is complete.",
        )
    model_type = str(config.get("model_type", "none"))
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        code = " It asks for code from its repository." if "auto_map" in config else ""
        raise UnsupportedArchitecture(
            f"transformers builds no causal language model of type {model_type!r}.{code}",
            expected="a decoder architecture within transformers; remote code is never run.",
            remedy="use another model, or a newer transformers that knows this type.",
        )
    if not (folder / "tokenizer.json").exists() and not (folder / "tokenizer.model").exists():
        raise ModelNotFound(
            f"{folder} has no tokenizer.",
            expected="tokenizer.json (or tokenizer.model) beside the weights.",
            remedy="copy the tokenizer's files into the folder.",
        )


def choose_device(wanted: str) -> str:
    """The device to run on: ``auto`` takes cuda, then mps, then cpu.

    Raises:
        DeviceUnavailable: the wanted device does not exist here.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    kind, _, index = wanted.partition(":")
    count = torch.cuda.device_count() if cuda else 0
    there = {
        "cpu": True,
        "mps": mps,
        "cuda": cuda and (not index or (index.isdigit() and int(index) < count)),
    }
    if not there.get(kind, False):
        found = ["cpu", *(["mps"] if mps else []), *(f"cuda:{i}" for i in range(count))]
        raise DeviceUnavailable(
            f"There is no device {wanted!r} on this machine.",
            expected=f"auto, or one of: {', '.join(found)}.",
            remedy="choose one of these, or run the worker on the machine that has the GPU.",
        )
    return wanted


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """The dtype of the weights: ``auto`` is bfloat16 on CUDA, float32 elsewhere."""
    if wanted == "auto":
        return torch.bfloat16 if device.startswith("cuda") else torch.float32
    dtype = getattr(torch, wanted, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UnsupportedArchitecture(
            f"{wanted!r} is no floating-point type of torch.",
            expected="auto, float32, bfloat16 or float16.",
            remedy="choose one of these.",
        )
    return dtype


def check_memory(folder: Path, dtype: torch.dtype, device: str) -> None:
    """Refuse a model whose weights do not fit into what is free.

    Raises:
        NotEnoughMemory: with the gigabytes needed and free.
    """
    needed = HEADROOM * _parameters(folder) * dtype.itemsize
    free = _free_bytes(device)
    if free is not None and needed > free:
        raise NotEnoughMemory(
            f"The weights need about {needed / 2**30:.1f} GiB as {dtype}, and "
            f"{free / 2**30:.1f} GiB are free on {device}.",
            expected="room for the weights and some activations.",
            remedy="free memory, choose a smaller dtype or model, or another device.",
        )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise ModelNotFound(
            f"{folder} has no config.json.",
            expected="a model folder as saved by transformers.",
            remedy="name the folder that holds config.json and *.safetensors.",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise ModelNotFound(
            f"{path} is not JSON: {fault}.",
            expected="a model folder as saved by transformers.",
            remedy="download the file again.",
        ) from fault
    return dict(config)


def _parameters(folder: Path) -> int:
    """Number of parameters, from the safetensors headers alone."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as handle:
            header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                count = 1
                for size in entry["shape"]:
                    count *= size
                total += count
    return total


def _free_bytes(device: str) -> int | None:
    """Free memory; None where it cannot be told."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    meminfo = Path("/proc/meminfo")
    if device == "cpu" and meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if device == "cpu" and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None

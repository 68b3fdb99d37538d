"""What can be told about a model before its weights are read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
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
from backend.models.files import ADAPTER, weight_files
from backend.models.memory import SPARE, free_unused
from backend.models.memory import free_bytes as _free_bytes
from backend.models.on_disk import HEADROOM, parameters

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
_DEVICE = re.compile(r"cpu|mps|cuda(:(?P<index>\d+))?")


@dataclass(frozen=True)
class Room:
    """Where a model's weights have room.

    Attributes:
        device: that holds them, such as cpu or cuda:1.
        gpus: GPU -> bytes of weights that it has room for, where several have to share them; else
            empty.
    """

    device: str
    gpus: dict[int, int]


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot or must not be loaded.

    Raises:
        ModelNotFound: no config, no tokenizer, not all weights, or an adapter alone.
        UnsafeCheckpoint: weights exist only as pickles.
        UnsupportedArchitecture: not a causal language model that transformers builds itself.
    """
    if not (folder / "config.json").exists():
        _refuse_adapter(folder)
    config = _read_json(folder, "config.json")
    weights = weight_files(folder)
    if not weights:
        _refuse_adapter(folder)
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
    missing = [file.name for file in weights if not file.exists()]
    if missing:
        raise ModelNotFound(
            f"{folder} lacks {len(missing)} of {len(weights)} weight files ({missing[0]} ...).",
            expected="every file that model.safetensors.index.json lists.",
            remedy="complete the download.",
        )
    check_config(config, folder.name)
    if not any(all((folder / name).exists() for name in names) for names in _TOKENIZERS):
        raise ModelNotFound(
            f"{folder} has no tokenizer.",
            expected="tokenizer.json (or tokenizer.model) beside the weights.",
            remedy="copy the tokenizer's files into the folder.",
        )
    if (folder / "tokenizer.json").exists():
        _read_json(folder, "tokenizer.json")


def check_config(config: dict[str, Any], name: str) -> None:
    """Refuse what config.json says is no causal language model of transformers, or quantised.

    Args:
        config: values of config.json.
        name: of the model, for people.

    Raises:
        UnsupportedArchitecture: it is one of these.
    """
    quantised = config.get("quantization_config")
    if quantised:
        method = quantised.get("quant_method", "unknown") if isinstance(quantised, dict) else "?"
        raise UnsupportedArchitecture(
            f"{name} is quantised ({method}).",
            expected="weights in float32, bfloat16 or float16, or a GGUF file.",
            remedy="use the unquantised model, or a GGUF of it: its weights are restored once.",
        )
    model_type = str(config.get("model_type", "none"))
    if config.get("is_encoder_decoder") or _is_masked(config):
        raise UnsupportedArchitecture(
            f"{name} is no decoder ({model_type}, {config.get('architectures')}).",
            expected="a decoder-only language model, which reads text from left to right.",
            remedy="use a causal language model.",
        )
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        code = " It asks for code from its repository." if "auto_map" in config else ""
        raise UnsupportedArchitecture(
            f"transformers builds no causal language model of type {model_type!r}.{code}",
            expected="a decoder architecture within transformers; remote code is never run.",
            remedy="use another model, or a newer transformers that knows this type.",
        )


def choose_device(wanted: str) -> str:
    """The device to run on: ``auto`` takes cuda, then mps, then cpu.

    Raises:
        DeviceUnavailable: the wanted device does not exist here.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    count = torch.cuda.device_count() if cuda else 0
    named = _DEVICE.fullmatch(wanted)
    index = int(named["index"] or 0) if named else 0
    there = {"cpu": True, "mps": mps, "cuda": cuda and index < count}
    if named is None or not there[wanted.partition(":")[0]]:
        found = ["cpu", *(["mps"] if mps else []), *(f"cuda:{i}" for i in range(count))]
        raise DeviceUnavailable(
            f"There is no device {wanted!r} on this machine.",
            expected=f"auto, or one of: {', '.join(found)}.",
            remedy="choose one of these, or run the worker on the machine that has the GPU.",
        )
    return wanted


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """The dtype of the weights: ``auto`` is bfloat16 on CUDA, float32 elsewhere.

    Raises:
        UnsupportedArchitecture: not a floating-point type of torch.
    """
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


def check_memory(folder: Path, dtype: torch.dtype, device: str) -> Room:
    """Where a model's weights fit into what is free, or is freed for them.

    Args:
        folder: of the model.
        dtype: of its weights.
        device: ``cuda`` stands for all GPUs of this machine: the first, else another that holds
            the weights, else all together; ``cuda:0`` stands for one.

    Raises:
        NotEnoughMemory: with the gigabytes needed and free.
    """
    needed = HEADROOM * parameters(folder) * dtype.itemsize
    free = _free_bytes(device)
    for let_go in (free_unused, *SPARE, free_unused):
        if free is not None and needed > free:
            let_go()
            free = _free_bytes(device)
    if free is None or needed <= free:
        return Room(device, {})
    gpus = range(torch.cuda.device_count() if device == "cuda" else 0)
    rooms = {gpu: _free_bytes(f"cuda:{gpu}") or 0 for gpu in gpus}
    for gpu, room in rooms.items():
        if needed <= room:
            return Room(f"cuda:{gpu}", {})
    if len(rooms) > 1:
        free, device = sum(rooms.values()), f"the {len(rooms)} GPUs"
    if needed > free:
        raise NotEnoughMemory(
            f"The weights need about {needed / 2**30:.1f} GiB as {dtype}, and "
            f"{free / 2**30:.1f} GiB are free on {device}.",
            expected="room for the weights and some activations.",
            remedy="free memory, choose a smaller dtype or model, or another device.",
        )
    return Room("cuda", {gpu: int(room / HEADROOM) for gpu, room in rooms.items()})


def _refuse_adapter(folder: Path) -> None:
    """Refuse a folder that holds an adapter instead of a model."""
    if (folder / ADAPTER).exists():
        raise ModelNotFound(
            f"{folder.name} holds an adapter and not the model that it changes.",
            expected="a whole model: config.json and all weights.",
            remedy="merge it first (merge_and_unload and save_pretrained in peft), and name the "
            "merged folder.",
        )


def _is_masked(config: dict[str, Any]) -> bool:
    """Whether the weights were trained to look both ways, as BERT's are."""
    return any("ForMaskedLM" in str(name) for name in config.get("architectures") or ())


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.exists():
        ggufs = sorted(folder.glob("*.gguf"))
        raise ModelNotFound(
            f"{folder} has no config.json.",
            expected="a model folder as saved by transformers.",
            remedy=f"name the file {ggufs[0]} itself."
            if ggufs
            else "name the folder that holds config.json and *.safetensors.",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return dict(config)
    except (ValueError, TypeError, RecursionError) as fault:
        raise ModelNotFound(
            f"{path} is not JSON: {fault}.",
            expected="a model folder as saved by transformers.",
            remedy="download the file again.",
        ) from fault

"""What a model's files say of its size, without torch and without reading weights."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError

from backend.errors import ModelError
from backend.models import hub
from backend.models.files import known_hash, sha256_of, weight_files
from backend.models.model_reference import ModelReference, parse_reference
from backend.models.presets import PRESETS_BY_NAME
from backend.settings import Settings

# Activations, buffers and the allocator's slack, beside the weights.
HEADROOM = 1.15
# Raised when a conversion comes out differently from before; older ones are then left unused.
CONVERSION = 2


@dataclass(frozen=True)
class ModelSize:
    """A model whose files are on this machine.

    Attributes:
        parameters: numbers in all its weights.
        width: coordinates of an activation.
        depth: decoder blocks.
    """

    parameters: int
    width: int
    depth: int


def model_size(reference: str, settings: Settings) -> ModelSize | None:
    """Size of a model from its files; None where they are not on this machine.

    Nothing is downloaded or converted for it, so a GGUF file tells nothing before its first use.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where conversions are kept, and which folders a path may lead to.

    Raises:
        ModelNotFound: the reference names no model.
        NotAllowed: it is a path that may not be named here.
        ModelError: the files are damaged.
    """
    folder = model_folder(reference, settings)
    if folder is None or not (folder / "config.json").exists():
        return None
    if not all(file.exists() for file in weight_files(folder)):
        return None
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text = config.get("text_config", config)
        width, depth = int(text["hidden_size"]), int(text["num_hidden_layers"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a model of another kind: loading it says so in full
    return ModelSize(parameters(folder), width, depth)


def converted_folder(models: Path, gguf_sha256: str) -> Path:
    """Where the conversion of the GGUF file with this sha256 is kept."""
    return models / f"gguf-{gguf_sha256[:24]}-{CONVERSION}"


def gguf_digest(gguf: Path, models: Path) -> str:
    """Hex sha256 of a GGUF file, computed once. Args: the file, and where hashes are kept."""
    return known_hash([gguf], models, "gguf", lambda files: sha256_of(files[0]))


def parameters(folder: Path) -> int:
    """Number of parameters, from the safetensors headers alone.

    Raises:
        ModelError: a file is damaged or cut short.
    """
    return sum(
        math.prod(entry["shape"])
        for path in weight_files(folder)
        for name, entry in _tensors(path).items()
        if name != "__metadata__"
    )


def tensor_count(folder: Path) -> int:
    """Number of tensors in a folder's weights.

    Raises:
        ModelError: a file is damaged or cut short.
    """
    return sum(name != "__metadata__" for path in weight_files(folder) for name in _tensors(path))


def model_folder(reference: str, settings: Settings) -> Path | None:
    """Folder of a model's files; None where they are not on this machine.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where conversions are kept, and which folders a path may lead to.

    Raises:
        ModelNotFound: the reference names no model.
        NotAllowed: it is a path that may not be named here.
    """
    return _folder(parse_reference(reference, settings), settings.models)


def _folder(reference: ModelReference, models: Path) -> Path | None:
    if reference.kind == "folder":
        return Path(reference.target)
    if reference.kind == "gguf":
        return None
    preset = PRESETS_BY_NAME.get(reference.target)
    if preset is not None and preset.wheel is not None:
        converted = converted_folder(models, preset.wheel.sha256)
        if converted.exists():
            return converted
    try:
        found = hub.cached(preset.hub_id if preset else reference.target, reference.revision)
    except HFValidationError:
        return None  # no name the Hub could have: starting the run says so in full
    return found.folder if found is not None else None


def _tensors(path: Path) -> dict[str, Any]:
    """The header of a safetensors file, after seeing that the file is whole."""
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            header = dict(json.loads(handle.read(min(length, path.stat().st_size))))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        if 8 + length + max(ends, default=0) != path.stat().st_size:
            raise ValueError("its size is not what its header says")
    except (ValueError, TypeError, KeyError, IndexError) as fault:
        raise ModelError(
            f"{path} is damaged: {fault}",
            expected="a whole safetensors file.",
            remedy="download it again; a file that was cut short looks like this.",
        ) from fault
    return header

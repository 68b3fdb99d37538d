"""What decides a model's activations besides the text, told without loading the model.

Hashing gigabytes and loading a tokenizer take seconds, so what was found is kept in sidecars for as
long as the files' sizes and times stay. Then neither torch nor transformers is needed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import ModelError, SlowTokenizer
from backend.models.download_progress import Progress
from backend.models.files import (
    WEIGHTS,
    known_hash,
    remembered_hash,
    weight_files,
    weights_hash,
)
from backend.models.gpus import may_have_cuda
from backend.models.on_disk import model_folder
from backend.models.presets import reads_transcripts
from backend.models.resolve import FoundModel, find_model
from backend.settings import Settings

# Entries of config.json that change no activation: how the file was written, and the number type,
# which a run records by itself.
_NO_MATTER = ("transformers_version", "torch_dtype", "dtype", "_name_or_path", "use_cache")


@dataclass(frozen=True)
class ModelIdentity:
    """A model as far as its activations depend on it.

    Attributes:
        weights_hash: sha256 over the weights.
        tokenizer_hash: sha256 of the tokenizer file.
        chat_template_hash: sha256 of the chat template, or empty.
        config_hash: sha256 over what config.json says of the architecture.
    """

    weights_hash: str
    tokenizer_hash: str
    chat_template_hash: str
    config_hash: str


def identify(
    reference: str, settings: Settings, progress: Progress
) -> tuple[FoundModel, ModelIdentity | None]:
    """A model's files, and what they are; they are fetched or converted if need be.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where models are kept.
        progress: called with (what is happening, fraction done or None).

    Returns:
        The model, and None where its folder is no whole model or its tokenizer cannot be used:
        loading it says so in full.

    Raises:
        ModelError: it cannot be found, or a list in its folder is damaged.
    """
    found = find_model(reference, settings, progress)
    if not _is_whole(found.folder):
        return found, None
    progress("checking tokenizer and weights", None)
    try:
        tokenizer, template = _of_tokenizer(found.folder, reference, settings)
    except SlowTokenizer:
        return found, None
    return found, ModelIdentity(
        weights_hash=weights_hash(found.folder, settings.models),
        tokenizer_hash=tokenizer,
        chat_template_hash=template,
        config_hash=config_hash(found.folder),
    )


def remembered_identity(reference: str, settings: Settings) -> ModelIdentity | None:
    """What :func:`identify` would find, where it is known already; nothing is fetched or loaded.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where models are kept.

    Raises:
        ModelNotFound: the reference names no model.
        ModelError: the list of its weights is damaged.
    """
    folder = model_folder(reference, settings)
    if folder is None or not _is_whole(folder):
        return None
    small = _small_files(folder)
    weights = remembered_hash(weight_files(folder), settings.models, WEIGHTS)
    tokenizer = remembered_hash(small, settings.models, "tokenizer")
    template = remembered_hash(small, settings.models, _template_kind(reference))
    if weights is None or tokenizer is None or template is None:
        return None
    return ModelIdentity(weights, tokenizer, template, config_hash(folder))


def config_hash(folder: Path) -> str:
    """Hex sha256 over what a model's config.json says of its architecture.

    Args:
        folder: of the model; its config.json is there.

    Raises:
        ModelError: the file is no JSON object.
    """
    path = folder / "config.json"
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as fault:
        raise ModelError(
            f"{path} is not JSON: {fault}.",
            expected="a model folder as saved by transformers.",
            remedy="download the file again.",
        ) from fault
    kept = {name: value for name, value in config.items() if name not in _NO_MATTER}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def dtype_name(wanted: str, device: str) -> str:
    """The number type that a model would be loaded in, as :func:`backend.models.check.choose_dtype`
    chooses it; torch is asked only on a machine that may have CUDA.

    Args:
        wanted: auto, float32, bfloat16 or float16.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        UnsupportedArchitecture: not a floating-point type of torch.
    """
    if wanted != "auto":
        return wanted
    if device != "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    if not may_have_cuda():
        return "float32"
    # Imported here: it needs torch.
    from backend.models.check import choose_device, choose_dtype

    return str(choose_dtype("auto", choose_device("auto"))).removeprefix("torch.")


def _is_whole(folder: Path) -> bool:
    if not (folder / "config.json").exists():
        return False
    files = weight_files(folder)
    return bool(files) and all(file.exists() for file in files)


def _small_files(folder: Path) -> tuple[Path, ...]:
    """What a tokenizer and its template may come from: all files but the weights."""
    found = [*folder.iterdir(), *(folder / "additional_chat_templates").glob("*")]
    return tuple(f for f in sorted(found) if f.is_file() and f.suffix != ".safetensors")


def _of_tokenizer(folder: Path, reference: str, settings: Settings) -> tuple[str, str]:
    """Hashes of the tokenizer and its template; it is loaded once, and only if one is not known."""

    @functools.cache
    def loaded() -> Any:
        # Imported here: only a tokenizer that was not seen before needs transformers.
        from backend.models.load import check_fast, load_tokenizer

        tokenizer = load_tokenizer(folder, reference)
        check_fast(tokenizer, reference)
        return tokenizer

    def tokenizer_hash(_: object) -> str:
        from backend.models.load import tokenizer_hash_of

        return tokenizer_hash_of(loaded(), folder)

    def template_hash(_: object) -> str:
        from backend.models.load import template_hash_of

        return template_hash_of(loaded()) or ""

    files, sidecars = _small_files(folder), settings.models
    return (
        known_hash(files, sidecars, "tokenizer", tokenizer_hash),
        known_hash(files, sidecars, _template_kind(reference), template_hash),
    )


def _template_kind(reference: str) -> str:
    """Under which kind a template's hash is kept: of one folder, a preset may use its own."""
    return "transcript" if reads_transcripts(reference) else "template"

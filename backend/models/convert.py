"""GGUF to safetensors, once: transformers takes long to dequantise a GGUF file at each load."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers.utils import logging as transformers_logging

from backend.errors import UnsupportedArchitecture
from backend.models.files import locked, make_whole, sha256_of

PROVENANCE = "steerscope.json"


def converted_folder(models: Path, gguf: Path) -> Path:
    """Where the conversion of a GGUF file is kept, by the file's content."""
    return models / f"gguf-{sha256_of(gguf)[:24]}"


def convert_gguf(gguf: Path, models: Path, progress: Callable[[str, float | None], None]) -> Path:
    """The folder of safetensors made from a GGUF file, converted at first use.

    Args:
        gguf: the file.
        models: folder where conversions are kept.
        progress: told what is happening.

    Raises:
        UnsupportedArchitecture: transformers cannot read this architecture from GGUF.
    """
    target = converted_folder(models, gguf)
    if target.exists():
        return target
    with locked(models, target.name):
        if not target.exists():
            progress("converting GGUF to safetensors (once)", None)
            make_whole(target, lambda draft: _convert(gguf, draft))
    return target


def _convert(gguf: Path, draft: Path) -> None:
    transformers_logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    except (ValueError, NotImplementedError, KeyError) as fault:
        raise UnsupportedArchitecture(
            f"transformers cannot read {gguf.name}: {fault}",
            expected="a GGUF file of an architecture that transformers reads, such as llama.",
            remedy="use the model's safetensors from the Hub or a local folder instead.",
        ) from fault
    # transformers refuses to save a model it read from GGUF, although the weights are plain
    # float32 by now: save them from an unquantised twin.
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    twin = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    twin.load_state_dict(model.state_dict())
    twin.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    provenance = {
        "source": gguf.name,
        "sha256": sha256_of(gguf),
        "transformers": transformers.__version__,
    }
    (draft / PROVENANCE).write_text(json.dumps(provenance, indent=2))

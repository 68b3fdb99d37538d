"""GGUF to safetensors, once: transformers takes long to dequantise a GGUF file at each load."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as transformers_logging

from backend.errors import ModelError, NotEnoughMemory, UnsupportedArchitecture
from backend.models.files import locked, make_whole
from backend.models.gguf.header import GgufHeader, read_header
from backend.models.gguf.reading import parsed_once
from backend.models.gguf.tokenizer import check_saved, is_faithful, read_tokenizer
from backend.models.memory import free_bytes
from backend.models.on_disk import converted_folder, gguf_digest

PROVENANCE = "provenance.json"
# transformers holds the dequantised weights once in its reader and once in the model.
_COPIES = 2.2
_BYTES = torch.float32.itemsize


def convert_gguf(gguf: Path, models: Path, progress: Callable[[str, float | None], None]) -> Path:
    """The folder of safetensors made from a GGUF file, converted at first use.

    Args:
        gguf: the file.
        models: folder where conversions are kept.
        progress: told what is happening.

    Raises:
        UnsupportedArchitecture: transformers cannot read this architecture from GGUF.
        NotEnoughMemory: the dequantised weights do not fit into memory.
        ModelError: the file is damaged, or the disk is too full.
    """
    digest = gguf_digest(gguf, models)
    target = converted_folder(models, digest)
    if target.exists():
        return target
    with locked(models, target.name):
        if not target.exists():
            progress("converting GGUF to safetensors (once)", None)
            make_whole(target, lambda draft: _convert(gguf, digest, draft))
    return target


def _convert(gguf: Path, digest: str, draft: Path) -> None:
    transformers_logging.disable_progress_bar()
    try:
        with parsed_once():
            header = read_header(gguf)
            _check_room(gguf, header, draft)
            tokenizer = read_tokenizer(gguf, header)
            model = _dequantised(gguf)
        model.save_pretrained(draft)
    except (ValueError, NotImplementedError, KeyError, RuntimeError) as fault:
        raise UnsupportedArchitecture(
            f"transformers cannot read {gguf.name}, whose architecture is "
            f"{header.architecture!r}: {fault}",
            expected="a GGUF file of an architecture that transformers reads, such as llama.",
            remedy="use the model's safetensors from the Hub or a local folder instead.",
        ) from fault
    tokenizer.save_pretrained(draft)
    check_saved(draft, tokenizer)
    provenance = {
        "source": gguf.name,
        "sha256": digest,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "pre_tokenizer": header.pre_tokenizer,
        "tokenizer_faithful": is_faithful(header),
    }
    (draft / PROVENANCE).write_text(json.dumps(provenance, indent=2), encoding="utf-8")


def _dequantised(gguf: Path) -> Any:
    """The model in float32, able to be saved.

    transformers refuses to save a model it read from GGUF, although its weights are plain
    float32 by now; an empty model of the same config takes them over, without a copy.
    """
    # Its progress bar heeds no setting.
    with contextlib.redirect_stderr(io.StringIO()):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
        )
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        twin = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    twin.load_state_dict(model.state_dict(), assign=True)
    twin.tie_weights()
    return twin


def _check_room(gguf: Path, header: GgufHeader, draft: Path) -> None:
    weights = header.parameters * _BYTES
    free = free_bytes("cpu")
    if free is not None and _COPIES * weights > free:
        raise NotEnoughMemory(
            f"Converting {gguf.name} needs about {_COPIES * weights / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free.",
            expected="room for the dequantised weights while they are converted, once.",
            remedy="free memory, or use the model's safetensors from the Hub or a folder.",
        )
    room = shutil.disk_usage(draft).free
    if weights > room:
        raise ModelError(
            f"The converted {gguf.name} takes {weights / 2**30:.1f} GiB, and {room / 2**30:.1f} "
            f"GiB are free on the disk of {draft.parent}.",
            expected="room for the weights in float32.",
            remedy="free disk space, or set STEERSCOPE_CACHE to a folder on another disk.",
        )

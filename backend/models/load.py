"""Load a resolved model for extraction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from transformers.utils import logging as transformers_logging

from backend.errors import MissingChatTemplate, SlowTokenizer
from backend.models.check import check_memory, choose_device, choose_dtype
from backend.models.resolve import ResolvedModel


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run.

    Attributes:
        model: transformers causal language model, in eval mode, without gradients.
        tokenizer: fast tokenizer.
        resolved: where it came from.
        device: such as cpu or cuda:0.
        dtype: such as float32.
        depth: number of decoder blocks.
        width: coordinates of an activation.
        max_positions: longest text in tokens; None if the config names no limit.
        tokenizer_hash: sha256 of the tokenizer file.
        chat_template_hash: sha256 of the chat template; None without one.
    """

    model: Any
    tokenizer: Any
    resolved: ResolvedModel
    device: str
    dtype: str
    depth: int
    width: int
    max_positions: int | None
    tokenizer_hash: str
    chat_template_hash: str | None


def load(
    resolved: ResolvedModel, *, device: str, dtype: str, need_chat_template: bool
) -> LoadedModel:
    """Load weights and tokenizer from local files.

    Args:
        resolved: from :func:`backend.models.resolve.resolve`.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: auto, float32, bfloat16 or float16.
        need_chat_template: whether the study has conversations.

    Raises:
        ModelError: device, memory, tokenizer or chat template is missing.
    """
    transformers_logging.disable_progress_bar()
    folder = str(resolved.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    template = _chat_template(tokenizer, resolved, needed=need_chat_template)
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    check_memory(resolved.folder, chosen_dtype, chosen_device)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=chosen_dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    model = model.to(chosen_device).eval().requires_grad_(False)
    config = model.config.get_text_config()
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        resolved=resolved,
        device=str(model.device),
        dtype=str(chosen_dtype).removeprefix("torch."),
        depth=int(config.num_hidden_layers),
        width=int(config.hidden_size),
        max_positions=getattr(config, "max_position_embeddings", None),
        tokenizer_hash=_hash_file(resolved.folder),
        chat_template_hash=template,
    )


def _chat_template(tokenizer: Any, resolved: ResolvedModel, *, needed: bool) -> str | None:
    """The template's hash, after seeing that the tokenizer can do what is needed."""
    if not tokenizer.is_fast:
        raise SlowTokenizer(
            f"The tokenizer of {resolved.reference} cannot report character offsets.",
            expected="a fast tokenizer (tokenizer.json), so that response tokens can be found.",
            remedy="use a revision of the model that has tokenizer.json.",
        )
    template = tokenizer.chat_template
    if template is None and needed:
        raise MissingChatTemplate(
            f"The tokenizer of {resolved.reference} has no chat template, and the study has "
            "conversations.",
            expected="an instruct model, whose tokenizer has a chat template.",
            remedy="use the instruct version, or a study whose responses have no messages.",
        )
    if template is None:
        return None
    text = template if isinstance(template, str) else str(sorted(template.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_file(folder: Path) -> str:
    path = folder / "tokenizer.json"
    path = path if path.exists() else folder / "tokenizer.model"
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Load a resolved model for extraction."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from backend.errors import (
    MissingChatTemplate,
    ModelError,
    NotEnoughMemory,
    SlowTokenizer,
    UnsupportedArchitecture,
)
from backend.models.check import check_memory, choose_device, choose_dtype
from backend.models.on_disk import tensor_count
from backend.models.presets import TRANSCRIPT, reads_transcripts
from backend.models.resolve import ResolvedModel
from backend.models.rope import rope_switch

# What transformers raises for a config that it cannot make sense of.
CANNOT_BUILD = (
    ValueError,
    ImportError,
    LookupError,
    RuntimeError,
    AttributeError,
    TypeError,
    ArithmeticError,
    AssertionError,
    StrictDataclassError,
)


@dataclass(frozen=True)
class ModelReader:
    """What of a model reads texts: all but its weights.

    Attributes:
        tokenizer: fast tokenizer that pads on the right.
        resolved: where it came from.
        depth: number of decoder blocks.
        width: coordinates of an activation.
        max_positions: longest text in tokens; None if the config names no limit.
        rope_switch: length at which positions change (:func:`backend.models.rope.rope_switch`).
        tokenizer_hash: sha256 of tokenizer.json, or of what it would hold if there is none.
        chat_template_hash: sha256 of the chat template; None without one.
    """

    tokenizer: Any
    resolved: ResolvedModel
    depth: int
    width: int
    max_positions: int | None
    rope_switch: int | None
    tokenizer_hash: str
    chat_template_hash: str | None


@dataclass(frozen=True)
class LoadedModel(ModelReader):
    """A model ready to run.

    Attributes:
        model: transformers causal language model, in eval mode, without gradients.
        device: such as cpu or cuda:0; where it reads tokens, if several GPUs hold its blocks.
        dtype: such as float32.
    """

    model: Any
    device: str
    dtype: str

    @property
    def runs_on(self) -> str:
        """The device, or how many there are, as a run's provenance has it: such as cpu, cuda:0 or
        cuda (2 GPUs)."""
        gpus = set(getattr(self.model, "hf_device_map", {}).values())
        return f"cuda ({len(gpus)} GPUs)" if len(gpus) > 1 else self.device

    @property
    def embedding_rows(self) -> int | None:
        """How many tokens the input embedding has a row for; None where it is no such table."""
        try:
            table = self.model.get_input_embeddings()
        except NotImplementedError:
            return None
        rows = getattr(table, "num_embeddings", None)
        return rows if isinstance(rows, int) else None


def load_reader(resolved: ResolvedModel, *, need_chat_template: bool) -> ModelReader:
    """The tokenizer and shape of a model from local files; no weights are read.

    Args:
        resolved: from :func:`backend.models.resolve.resolve`.
        need_chat_template: whether the study has conversations.

    Raises:
        SlowTokenizer: the tokenizer cannot report character offsets.
        MissingChatTemplate: a template is needed and there is none, or none for plain chats.
        UnsupportedArchitecture: transformers cannot build the model without remote code.
        ModelError: the config names more blocks than there are weights.
    """
    transformers_logging.disable_progress_bar()
    config = _config(resolved)
    depth, width = shape_of(config, resolved.reference)
    _check_depth(depth, resolved)
    tokenizer = load_tokenizer(resolved.folder, resolved.reference)
    template = _chat_template(tokenizer, resolved, needed=need_chat_template)
    return ModelReader(
        tokenizer=tokenizer,
        resolved=resolved,
        depth=depth,
        width=width,
        max_positions=getattr(config.get_text_config(), "max_position_embeddings", None),
        rope_switch=rope_switch(config),
        tokenizer_hash=tokenizer_hash_of(tokenizer, resolved.folder),
        chat_template_hash=template,
    )


def load(
    resolved: ResolvedModel,
    *,
    device: str = "auto",
    dtype: str = "auto",
    need_chat_template: bool,
) -> LoadedModel:
    """Load weights and tokenizer from local files.

    Args:
        resolved: from :func:`backend.models.resolve.resolve`.
        device: auto, cpu, cuda, cuda:N or mps. Where the first GPU does not hold the weights,
            cuda and auto take another that does, or give each some of the blocks.
        dtype: auto, float32, bfloat16 or float16.
        need_chat_template: whether the study has conversations.

    Raises:
        DeviceUnavailable: the device does not exist here.
        NotEnoughMemory: the weights do not fit on it.
        ModelError: the weights are damaged or incomplete, or see :func:`load_reader`.
    """
    reader = load_reader(resolved, need_chat_template=need_chat_template)
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    room = check_memory(resolved.folder, chosen_dtype, chosen_device)
    parts = _shared_out(resolved, chosen_dtype, room.gpus) if room.gpus else {}
    model = _model(resolved, chosen_dtype, room.device, parts)
    return LoadedModel(
        **{entry.name: getattr(reader, entry.name) for entry in dataclasses.fields(reader)},
        model=model,
        device=str(model.device),
        dtype=str(chosen_dtype).removeprefix("torch."),
    )


def skeleton(resolved: ResolvedModel) -> Any:
    """A model without its weights: its modules and the names and shapes of its parameters.

    Args:
        resolved: a model on this machine.

    Raises:
        UnsupportedArchitecture: transformers cannot build the model without remote code.
        ModelError: its config names more blocks than its files hold.
    """
    config = _config(resolved)
    _check_depth(shape_of(config, resolved.reference)[0], resolved)
    try:
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except CANNOT_BUILD as fault:
        raise _unbuildable(resolved, fault) from fault


def shape_of(config: Any, name: str) -> tuple[int, int]:
    """Decoder blocks and coordinates of an activation, as a model's config names them.

    Args:
        config: a transformers config.
        name: of the model, for people.

    Raises:
        UnsupportedArchitecture: it names none, as those of models with several stacks do.
    """
    text = config.get_text_config()
    # In a decoder taken out of a model with an encoder, num_hidden_layers counts the encoder's.
    depth = getattr(text, "decoder_layers", None) or getattr(text, "num_hidden_layers", None)
    width = getattr(text, "hidden_size", None)
    if not isinstance(depth, int) or not isinstance(width, int) or depth < 1:
        raise UnsupportedArchitecture(
            f"The config of {name} ({text.model_type}) names no single stack of decoder blocks.",
            expected="num_hidden_layers and hidden_size, or what its type calls them.",
            remedy="use a decoder-only language model of text.",
        )
    return depth, width


def _config(resolved: ResolvedModel) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(
            str(resolved.folder), local_files_only=True, trust_remote_code=False
        )
    except CANNOT_BUILD as fault:
        raise _unbuildable(resolved, fault) from fault


def _check_depth(depth: int, resolved: ResolvedModel) -> None:
    """Refuse a config that names more blocks than there are weights: building them never ends."""
    tensors = tensor_count(resolved.folder)
    if depth > tensors:
        raise ModelError(
            f"The config of {resolved.reference} names {depth} decoder blocks, and its files hold "
            f"{tensors} tensors.",
            expected="at least one tensor for each block.",
            remedy="complete the download, or correct num_hidden_layers in config.json.",
        )


def _unbuildable(resolved: ResolvedModel, fault: Exception) -> UnsupportedArchitecture:
    return UnsupportedArchitecture(
        f"transformers cannot build {resolved.reference}: {fault}",
        expected="a decoder within transformers, in float32, bfloat16 or float16.",
        remedy="use another model or an unquantised copy; remote code is never run.",
    )


def _shared_out(
    resolved: ResolvedModel, dtype: torch.dtype, rooms: dict[int, int]
) -> dict[str, int]:
    """Which GPU holds which part of a model: as many blocks as each has room for, in order.

    Args:
        resolved: the model.
        dtype: of its weights.
        rooms: GPU -> bytes of weights.

    Raises:
        NotEnoughMemory: a part has room on no GPU, or nobody says what may not be divided.
    """
    # Imported here: only where one GPU is not enough.
    from accelerate import infer_auto_device_map

    empty = skeleton(resolved)
    whole = sorted(empty._no_split_modules or ())
    parts = infer_auto_device_map(empty, dict(rooms), whole, dtype=dtype) if whole else {}
    away = [name for name, place in parts.items() if not isinstance(place, int)]
    if whole and not away:
        return parts
    if whole:
        why = f"{len(away)} of its {len(parts)} parts have room on none of the {len(rooms)} GPUs"
    else:
        why = f"transformers does not say how a {type(empty).__name__} may be divided"
    raise NotEnoughMemory(
        f"No GPU holds all weights of {resolved.reference}, and {why}.",
        expected="one GPU that holds the weights, or several that hold whole blocks.",
        remedy="free memory, choose a smaller dtype or model, or --engine vllm with "
        "--tensor-parallel, which divides blocks.",
    )


def _model(resolved: ResolvedModel, dtype: torch.dtype, device: str, parts: dict[str, int]) -> Any:
    """The model with its weights on a device, or its parts on a GPU each."""
    # No attn_implementation: transformers takes sdpa where the architecture supports it exactly,
    # and eager where it does not (Gemma 2's capped logits).
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            str(resolved.folder),
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            # It would only point to its log; what does not fit is refused below.
            ignore_mismatched_sizes=True,
            **({"device_map": parts} if parts else {}),
        )
        _refuse_mismatched(report, resolved)
        _refuse_missing(model, report, resolved)
        if not parts:
            model = model.to(device)
        return model.eval().requires_grad_(False)
    except torch.OutOfMemoryError as fault:
        raise NotEnoughMemory(
            f"The weights of {resolved.reference} do not fit on {device}: {fault}",
            expected="room for the weights and some activations.",
            remedy="free memory, choose a smaller dtype or model, or another device.",
        ) from fault
    except (SafetensorError, OSError) as fault:
        raise ModelError(
            f"The weights of {resolved.reference} cannot be read: {fault}",
            expected=f"whole safetensors files in {resolved.folder}.",
            remedy="download the model again.",
        ) from fault
    except CANNOT_BUILD as fault:
        raise _unbuildable(resolved, fault) from fault


def _refuse_mismatched(report: Any, resolved: ResolvedModel) -> None:
    """Refuse a checkpoint with weights of another shape than the config's."""
    found = sorted((name, [*held], [*wanted]) for name, held, wanted in report["mismatched_keys"])
    if not found:
        return
    name, held, wanted = found[0]
    more = f"; {len(found) - 1} more differ" if len(found) > 1 else ""
    raise ModelError(
        f"The config and the weights of {resolved.reference} disagree: {name} has the shape {held} "
        f"in its files, and by its config.json {wanted}{more}.",
        expected="config.json and weights of one and the same model.",
        remedy="take both from the same download, or mend config.json.",
    )


def _refuse_missing(model: Any, report: Any, resolved: ResolvedModel) -> None:
    """Refuse a checkpoint without some of the weights, which transformers would make up."""
    head = model.get_output_embeddings()
    unused = {id(parameter) for parameter in head.parameters()} if head is not None else set()
    made_up = {name for name, value in model.named_parameters() if id(value) not in unused}
    missing = sorted(made_up & set(report["missing_keys"]))
    if missing:
        raise ModelError(
            f"{resolved.reference} lacks {len(missing)} of the weights its config asks for "
            f"({missing[0]} ...).",
            expected="all weights; transformers fills the rest with random numbers.",
            remedy="complete the download, or mend config.json.",
        )


def load_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer of a model's folder, padding on the right; no weights are read.

    A preset that is a base model gets the template of a plain transcript if it has none.

    Args:
        folder: holds tokenizer.json, or what transformers makes one from.
        name: of the model, as the user gave it.

    Raises:
        SlowTokenizer: it cannot be loaded as a fast one.
        ModelError: what stands for its chat template is none.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (ValueError, TypeError, ImportError, KeyError, OSError, RecursionError) as fault:
        raise SlowTokenizer(
            f"The tokenizer of {name} cannot be loaded as a fast one: {fault}",
            expected="tokenizer.json, so that response tokens can be found by their offsets.",
            remedy="use a revision of the model that has tokenizer.json.",
        ) from fault
    if not isinstance(tokenizer.chat_template, str | dict | None):
        raise ModelError(
            f"The chat template of {name} is a {type(tokenizer.chat_template).__name__}.",
            expected="a text, or a list of texts with names.",
            remedy="mend chat_template in the model's tokenizer_config.json, or use another model.",
        )
    tokenizer.padding_side = "right"
    if tokenizer.chat_template is None and reads_transcripts(name):
        tokenizer.chat_template = TRANSCRIPT
    return tokenizer


def _chat_template(tokenizer: Any, resolved: ResolvedModel, *, needed: bool) -> str | None:
    """The template's hash, after seeing that the tokenizer can do what is needed."""
    check_fast(tokenizer, resolved.reference)
    template = tokenizer.chat_template
    if needed and template in (None, {}):
        raise MissingChatTemplate(
            f"The tokenizer of {resolved.reference} has no chat template, and the study has "
            "conversations.",
            expected="an instruct model, whose tokenizer has a chat template.",
            remedy="use the instruct version, or a study without messages.",
        )
    if needed and isinstance(template, dict) and "default" not in template:
        raise MissingChatTemplate(
            f"The tokenizer of {resolved.reference} has chat templates for special uses only "
            f"({', '.join(template)}), and the study has conversations.",
            expected="one chat template, or one among them that is called default.",
            remedy="call the one for plain chats default in the model's folder, or use another "
            "model.",
        )
    return template_hash_of(tokenizer)


def check_fast(tokenizer: Any, name: str) -> None:
    """Refuse a tokenizer that does not say which characters a token stands for.

    Args:
        tokenizer: from :func:`load_tokenizer`.
        name: of the model, for people.

    Raises:
        SlowTokenizer: it is one of these.
    """
    if not tokenizer.is_fast:
        raise SlowTokenizer(
            f"The tokenizer of {name} cannot report character offsets.",
            expected="a fast tokenizer (tokenizer.json), so that response tokens can be found.",
            remedy="use a revision of the model that has tokenizer.json.",
        )


def template_hash_of(tokenizer: Any) -> str | None:
    """sha256 of a tokenizer's chat template; None without one. Args: the tokenizer."""
    template = tokenizer.chat_template
    if template is None:
        return None
    text = template if isinstance(template, str) else str(sorted(template.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def tokenizer_hash_of(tokenizer: Any, folder: Path) -> str:
    """sha256 of tokenizer.json, or of what it would hold if there is none.

    Args:
        tokenizer: loaded from the folder.
        folder: of the model.
    """
    path = folder / "tokenizer.json"
    content = path.read_bytes() if path.exists() else tokenizer.backend_tokenizer.to_str().encode()
    return hashlib.sha256(content).hexdigest()

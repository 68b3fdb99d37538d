"""What a GGUF file says about itself, read without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from backend.errors import ModelError, UnsupportedArchitecture


@dataclass(frozen=True)
class GgufHeader:
    """The part of a GGUF file's metadata that a conversion needs.

    Attributes:
        architecture: such as llama.
        parameters: numbers in all tensors together.
        tokenizer: kind of vocabulary: gpt2 (byte-level BPE), llama (sentencepiece), ...
        pre_tokenizer: how text is cut before the merges; None if the file does not say.
        add_bos: whether a beginning-of-text token is put first; None if the file does not say.
        chat_template: Jinja source; None without one.
        special_ids: bos, eos, unk and pad, as far as the file names them.
    """

    architecture: str
    parameters: int
    tokenizer: str | None
    pre_tokenizer: str | None
    add_bos: bool | None
    chat_template: str | None
    special_ids: dict[str, int]


_SPECIAL = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def read_header(path: Path) -> GgufHeader:
    """Read a GGUF file's metadata.

    Raises:
        ModelError: it is no GGUF file, or it is cut short.
        UnsupportedArchitecture: the model is spread over several files.
    """
    try:
        reader = gguf.GGUFReader(path)
        values: dict[str, Any] = {
            key: reader.fields[key].contents()
            for key in reader.fields
            if reader.fields[key].types[:1] != [gguf.GGUFValueType.ARRAY]
        }
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except (ValueError, IndexError, KeyError, OSError, UnicodeDecodeError) as fault:
        raise ModelError(
            f"{path} cannot be read as a GGUF file: {fault}",
            expected="a whole GGUF file, version 2 or 3.",
            remedy="download it again; a file that was cut short looks like this.",
        ) from fault
    if int(values.get("split.count", 1)) > 1:
        raise UnsupportedArchitecture(
            f"{path.name} is one of {values['split.count']} parts of a model.",
            expected="a GGUF file that holds the whole model.",
            remedy="join the parts first: llama-gguf-split --merge FIRST-PART WHOLE.gguf.",
        )
    ids = {name: values.get(f"tokenizer.ggml.{key}") for name, key in _SPECIAL.items()}
    add_bos = values.get("tokenizer.ggml.add_bos_token")
    return GgufHeader(
        architecture=str(values.get("general.architecture", "unnamed")),
        parameters=parameters,
        tokenizer=values.get("tokenizer.ggml.model"),
        pre_tokenizer=values.get("tokenizer.ggml.pre"),
        add_bos=None if add_bos is None else bool(add_bos),
        chat_template=values.get("tokenizer.chat_template"),
        special_ids={name: int(value) for name, value in ids.items() if value is not None},
    )

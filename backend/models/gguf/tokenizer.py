"""The tokenizer inside a GGUF file, with what transformers loses while reading it put back.

A GGUF file names its pre-tokenizer instead of spelling it out; llama.cpp knows what each name
means. transformers knows some of the names, cuts text as GPT-2 does for all others, and does not
know the two habits that come with a name: whether a beginning-of-text token is the default, and
whether a piece that is in the vocabulary is taken whole.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import transformers
from tokenizers import pre_tokenizers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from backend.errors import UnsupportedArchitecture
from backend.models.gguf.header import GgufHeader

logger = logging.getLogger("steerscope.models")

# Every digit is a piece of its own, then text is cut as GPT-2 does.
_SINGLE_DIGITS = frozenset("starcoder refact command-r smollm codeshell exaone minerva-7b".split())
_AS_GPT2 = frozenset("gpt-2 phi-2 mpt olmo jais trillion exaone4".split())
_BOS_AND_WHOLE_PIECES = frozenset("llama3 llama-v3 llama-bpe tekken".split())
_PROBE = "  It's 3:30,  12 times\n\n\nnaïve – “so”? I DON'T know…\t2024  "


def read_tokenizer(gguf: Path, header: GgufHeader) -> Any:
    """The fast tokenizer of a GGUF file.

    Args:
        gguf: the file.
        header: what it says about itself.

    Raises:
        ValueError, KeyError, NotImplementedError: transformers knows no such tokenizer.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, local_files_only=True, trust_remote_code=False
    )
    if header.tokenizer == "gpt2":
        _mend_pre_tokenizer(tokenizer, header, gguf.name)
    if tokenizer.chat_template is None and header.chat_template is not None:
        tokenizer.chat_template = header.chat_template
    for name, wanted in header.special_ids.items():
        if getattr(tokenizer, f"{name}_id") != wanted:
            setattr(tokenizer, name, tokenizer.convert_ids_to_tokens(wanted))
    return tokenizer


def is_faithful(header: GgufHeader) -> bool:
    """Whether text is cut exactly as the vocabulary was learned, as far as can be told."""
    if header.tokenizer != "gpt2" or header.pre_tokenizer is None:
        return header.tokenizer != "gpt2"
    known = _SINGLE_DIGITS | _AS_GPT2 | GGUF_PRE_TOKENIZER_SPLITS.keys()
    return header.pre_tokenizer in known


def check_saved(folder: Path, tokenizer: Any) -> None:
    """See that a saved tokenizer is the one that was saved.

    Raises:
        UnsupportedArchitecture: it reads text differently, or its template or special tokens
            are gone.
    """
    again = transformers.AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    same = (
        again.is_fast
        and again(_PROBE)["input_ids"] == tokenizer(_PROBE)["input_ids"]
        and again.chat_template == tokenizer.chat_template
        and again.special_tokens_map == tokenizer.special_tokens_map
        and len(again) == len(tokenizer)
    )
    if not same:
        raise UnsupportedArchitecture(
            "The tokenizer of the GGUF file changes when transformers saves it.",
            expected="the same token ids, chat template and special tokens after loading again.",
            remedy="use the model's safetensors from the Hub or a local folder instead.",
        )


def _mend_pre_tokenizer(tokenizer: Any, header: GgufHeader, name: str) -> None:
    backend = tokenizer.backend_tokenizer
    if header.pre_tokenizer in _SINGLE_DIGITS:
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    if header.pre_tokenizer in _BOS_AND_WHOLE_PIECES:
        backend.model.ignore_merges = True
        if header.add_bos is None:
            tokenizer.add_bos_token = True
    if not is_faithful(header):
        logger.warning(
            "%s cuts text by rules named %r that are not known here; GPT-2's are used, so some "
            "texts may be tokenised unlike in training.",
            name,
            header.pre_tokenizer,
        )

"""Random 3-layer models of several families, with a tiny fast tokenizer and a chat template."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

DEPTH, WIDTH = 3, 64
FAMILIES = {
    "llama": (LlamaConfig, {}),
    "qwen2": (Qwen2Config, {}),
    "mistral": (MistralConfig, {"sliding_window": 16}),
    "gemma": (GemmaConfig, {"head_dim": 16}),
    "gemma3": (Gemma3TextConfig, {"head_dim": 16, "sliding_window": 16}),
}
# vLLM has no attention on CPUs for heads as narrow as those above.
WIDE_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
# Built where a test asks for them; no other test is run on them.
MORE_FAMILIES = {
    "gpt2": (GPT2Config, {"n_inner": 128}),
    "qwen2-untied": (Qwen2Config, {"tie_word_embeddings": False}),
    "gemma2": (Gemma2Config, {"sliding_window": 16, "query_pre_attn_scalar": 32}),
    "cohere": (CohereConfig, {}),
}
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}"
    "<|end|>\n{% endfor %}"
)
CORPUS = [
    "You keep saying it was expected, and still there is an ache in how you say his name.",
    "Before we go on, tell me plainly: are you safe tonight? No? Then let's act now.",
    "Thirty-one years at that desk, a box in the corridor, café, naïve – and nothing else.",
]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that adds a beginning-of-text token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    fast.chat_template = TEMPLATE
    return fast


def without_bos(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same tokenizer, adding no token before a plain text, like those of Qwen2 and SmolLM2."""
    found = copy.deepcopy(tokenizer)
    found.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return found


def save_tiny_model(folder: Path, family: str, **changes: int) -> Path:
    """Save a seeded random model of a family, with its tokenizer, and return the folder.

    Args:
        folder: where.
        family: of those above.
        changes: of the config.
    """
    config_class, extra = (FAMILIES | MORE_FAMILIES)[family]
    tokenizer = tiny_tokenizer()
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 128,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    config = config_class(**(shape | extra | changes))
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            # The default initialisation is so small that every layer is nearly the identity.
            if parameter.ndim > 1:
                parameter.mul_(5.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

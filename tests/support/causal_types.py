"""A small random model of every causal type that transformers knows, from its shrunk config."""

from __future__ import annotations

import re
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

TYPES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
DEPTH = 4
# What a number of a config is shrunk to, by its name; the first pattern that fits decides.
SIZES: tuple[tuple[str, int], ...] = (
    (r"num_(hidden|decoder|encoder)_layers|(encoder|decoder)_layers|n_layers?|num_layers", DEPTH),
    (r"vocab_size(_per_layer_input)?|.*_vocab_size", 160),
    (r"hidden_size|d_model|n_embd|dim_model|emb_dim|embedding_size|lru_width|d_embed", 64),
    (r"num_key_value_heads|kv_n_heads", 2),
    (r"(num_|n_)(attention_)?heads?|(encoder|decoder)_attention_heads|n_head", 4),
    (r"head_dim|d_kv|dim_head|v_head_dim|qk_nope_head_dim|kv_channels", 16),
    (r"qk_rope_head_dim", 8),
    (r"(q|kv)_lora_rank", 16),
    (r".*(intermediate_size|ffn_dim|n_inner|d_inner|dim_ff|ffn_hidden_size)", 128),
    (r"(n_routed|num_local|num|moe_num|num_routed)_experts", 4),
    (r"(num_experts_per_tok|moe_k|top_k|moe_topk)", 2),
    (r"(max_position_embeddings|n_positions|n_ctx|max_seq_len|max_source_positions"
     r"|max_target_positions)", 128),
)  # fmt: skip


def shrunk(model_type: str) -> PretrainedConfig:
    """The default config of a type, with every size made small."""
    config = CONFIG_MAPPING[model_type]()
    _shrink(config)
    return config


def small_model(model_type: str) -> Any:
    """A seeded random model of a type, in eval mode, whose blocks do change what they read."""
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(shrunk(model_type), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.15)
    return model.eval().requires_grad_(False)


def _shrink(config: PretrainedConfig) -> None:
    for name, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            _shrink(value)
        elif isinstance(value, list) and name in ("layer_types", "mlp_layer_types"):
            setattr(config, name, value[:DEPTH])
        elif isinstance(value, int) and not isinstance(value, bool):
            for pattern, size in SIZES:
                if re.fullmatch(pattern, name):
                    setattr(config, name, min(value, size))
                    break
            if name.endswith("_token_id") and value > 100:
                setattr(config, name, 1)

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


# What cannot be told by a number's name: sizes that depend on each other.
_LATENT = {"head_dim": 8, "qk_head_dim": 24, "num_key_value_heads": 4}
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
_HYBRID = ["linear_attention", "linear_attention", "hybrid", "linear_attention"]
SPECIAL: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        "axk1 axk2 deepseek_v2 deepseek_v3 deepseek_v32 glm_moe_dsa glm4_moe_lite hy_v4 minicpm3 "
        "youtu".split(),
        _LATENT | {"n_group": 1, "topk_group": 1, "num_experts_per_tok": 2},
    ),
    **dict.fromkeys(
        ("bailing_hybrid", "kimi_linear"),
        _LATENT
        | {"num_experts_per_token": 2, "linear_head_dim": 16, "linear_num_heads": 4}
        | {"num_expert_group": 1, "topk_group": 1},
    ),
    "dots3_note_text": _LATENT
    | {
        "per_layer_config": {},
        "index_head_dim": 16,
        "index_n_heads": 4,
        "rope_parameters": {"indexed_attention": _ROPE, "sliding_attention": _ROPE},
    },
    "longcat_flash": _LATENT | {"num_layers": 2, "zero_expert_num": 4},
    **dict.fromkeys(("bamba", "granitemoehybrid"), {"mamba_n_heads": 8, "mamba_d_head": 16}),
    "beam": {"n_group": 2, "topk_group": 1},
    **dict.fromkeys(("codegen", "gptj"), {"rotary_dim": 8}),
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}
    },
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "falcon_h1": {"mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16},
    **dict.fromkeys(("hunyuan_v1_dense", "hunyuan_v1_moe", "ministral"), {"head_dim": 16}),
    "gemma3n_text": {
        "num_kv_shared_layers": 1,
        "intermediate_size": [128] * DEPTH,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "hidden_size_per_layer_input": 16,
    },
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "mamba2": {"head_dim": 32, "n_groups": 2},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "ngram_vocab_size_base": 200,
        "ple_embed_dim": 64,
        "hc_lowrank": 16,
        "indexer_n_heads": 8,
        "indexer_kv_heads": 2,
        "indexer_head_dim": 16,
        "indexer_budget": 16,
        "indexer_compress_ratio": 4,
    },
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": (8, 8),
        "axial_pos_embds_dim": (16, 48),
        "num_buckets": 4,
    },
    "rwkv": {"rescale_every": 2},
    "xlstm": {"embedding_dim": 64, "num_blocks": DEPTH},
    "xmod": {"default_language": "en_XX"},
    "zamba": {
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "mamba_dt_rank": 4,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
    "zamba2": {
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "mamba_headdim": 16,
        "layers_block_type": _HYBRID,
        "hybrid_layer_ids": [2],
    },
}


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
    for name, value in SPECIAL.get(config.model_type, {}).items():
        setattr(config, name, value)
    if config.model_type == "dbrx":
        config.attn_config.rope_theta = 10000.0
        config.attn_config.clip_qkv = 8.0

"""A small random model of every causal type that transformers knows, from its shrunk config.

``python -m tests.support.causal_types`` writes what becomes of each type into docs/models.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from backend.errors import SteerscopeError, UnsupportedArchitecture
from backend.extraction.pooling import PooledForward
from backend.extraction.residual import decoder_of
from backend.extraction.spans import EncodedText
from backend.models.check import check_config
from backend.models.load import CANNOT_BUILD, shape_of

DOC = Path(__file__).resolve().parents[2] / "docs" / "models.md"
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
    **{key: {"mamba_n_heads": 8, "mamba_d_head": 16} for key in ("bamba", "granitemoehybrid")},
    "beam": {"n_group": 2, "topk_group": 1},
    **{key: {"rotary_dim": 8} for key in ("codegen", "gptj")},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}
    },
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "falcon_h1": {"mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16},
    **{key: {"head_dim": 16} for key in ("hunyuan_v1_dense", "hunyuan_v1_moe", "ministral")},
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


# Doc's words for why a type is refused, by what the error says; the first that fits decides.
REASONS: tuple[tuple[str, str], ...] = (
    (r"is not causal", "not causal"),
    (r"numbers instead of one vector", "more or other than one vector a token"),
    (r"no list of", "no list of blocks that hand on one stream"),
    (r"cannot run on the tokens", "not run by token ids alone"),
    (r"no single stack", "no single stack of blocks"),
    (r"cannot build", "not built by transformers from its small default config"),
)
EXACT = "exact"
_TOLERANCE = 1e-4
_MARKS = ("<!-- causal types: begin -->\n", "<!-- causal types: end -->")


def outcome(model_type: str) -> str:
    """``exact``, or in the doc's words why a type is refused.

    Raises:
        AssertionError: its activations are wrong, or its refusal is none that the doc knows.
    """
    try:
        error = _error(model_type)
    except SteerscopeError as fault:
        for pattern, reason in REASONS:
            if re.search(pattern, fault.what):
                return reason
        raise AssertionError(f"{model_type}: {fault}") from fault
    assert error < _TOLERANCE, f"{model_type}: relative error {error:.2g}"
    return EXACT


def listed() -> dict[str, str]:
    """Type -> outcome, as docs/models.md lists it."""
    text = DOC.read_text(encoding="utf-8")
    rows = text.split(_MARKS[0])[1].split(_MARKS[1])[0].splitlines()[2:]
    cells = [row.strip("|").split("|") for row in rows if row]
    return {
        name.strip(" `"): reason.strip() for reason, names in cells for name in names.split(",")
    }


def write_list() -> None:
    """Put the outcome of every type into docs/models.md."""
    found = {model_type: outcome(model_type) for model_type in TYPES}
    lines = ["| | types |", "|---|---|"]
    for reason in (EXACT, *(reason for _, reason in REASONS)):
        names = ", ".join(f"`{name}`" for name in TYPES if found[name] == reason)
        if names:
            lines.append(f"| {reason} | {names} |")
    text = DOC.read_text(encoding="utf-8")
    before, rest = text.split(_MARKS[0])
    table = "\n".join(lines)
    DOC.write_text(f"{before}{_MARKS[0]}{table}\n{_MARKS[1]}{rest.split(_MARKS[1])[1]}", "utf-8")


def _error(model_type: str) -> float:
    """Largest relative error of pooled activations against ``output_hidden_states``."""
    try:
        shape_of(shrunk(model_type), model_type)
        model = small_model(model_type)
    except CANNOT_BUILD as fault:
        raise UnsupportedArchitecture(
            f"transformers cannot build {model_type}: {fault}", expected="", remedy=""
        ) from fault
    return error_of(model)


def error_of(model: Any) -> float:
    """Largest error of a coordinate, relative to the largest of its vector, in any layer whose
    output ``output_hidden_states`` shows; of texts pooled together, by the whole and cut model.

    Raises:
        SteerscopeError: the model is refused.
    """
    config = model.config.to_dict()
    if config["model_type"] in TYPES:  # not the text part of a type with images
        check_config(config, type(model).__name__)
    depth, _ = shape_of(model.config, type(model).__name__)
    size = int(model.config.get_text_config().vocab_size)
    rng = np.random.default_rng(3)
    ids = [tuple(int(i) for i in rng.integers(size // 10, size, n)) for n in (5, 17, 9, 24)]
    texts = [EncodedText(one, (True,) * len(one)) for one in ids]
    early = max(1, depth // 2)
    with PooledForward(model, depth, range(depth + 1), "mean").opened() as forward:
        whole = forward.pool(texts).activations
    with PooledForward(model, depth, (early,), "mean").opened() as forward:
        cut = forward.pool(texts).activations[0]
    listed_states = [_hidden_states(model, one) for one in ids]
    # The last is after the final norm. Mamba lists no embedding, and its first block first.
    errors = {
        shift: max(
            _relative(whole[layer, text], states[layer - shift])
            for text, states in enumerate(listed_states)
            for layer in range(shift, depth)
        )
        for shift in (0, 1)
    }
    return max(min(errors.values()), max(map(_relative, cut, whole[early])))


def _relative(found: Any, expected: Any) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _hidden_states(model: Any, ids: tuple[int, ...]) -> list[Any]:
    """Mean over tokens of what transformers lists, by layer, of one text alone."""
    with torch.inference_mode():
        made = decoder_of(model)(
            input_ids=torch.tensor([ids]), use_cache=False, output_hidden_states=True
        )
    return [state[0].mean(0).numpy() for state in made.hidden_states]


if __name__ == "__main__":
    write_list()

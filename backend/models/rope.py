"""Where a model's rotary positions depend on how long the text is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Phi-3's: short and long texts are read with other frequencies (Ding et al. 2024, LongRoPE).
_BY_LENGTH = "longrope"


def rope_switch(config: Any) -> int | None:
    """Tokens of the longest text that is read with the frequencies for short ones.

    A longer text is read with other frequencies from its first token on, so its beginning has other
    activations than the same tokens have as a text of their own.

    Args:
        config: of transformers.

    Returns:
        None where length changes nothing: in nearly all models.
    """
    given = getattr(config.get_text_config(), "rope_parameters", None) or {}
    # One set of parameters, or one for each type of layer.
    sets = [given, *(one for one in given.values() if isinstance(one, Mapping))]
    found = [
        one["original_max_position_embeddings"]
        for one in sets
        if one.get("rope_type") == _BY_LENGTH and "original_max_position_embeddings" in one
    ]
    return min(found, default=None)

"""Tiny models that can be steered."""

from __future__ import annotations

import pytest

from backend.models.load import load
from backend.models.resolve import resolve
from backend.settings import Settings
from backend.steering.hooks import steerable
from tests.support.tiny_models import save_tiny_model

# Grouped attention, biased attention, a sliding window, scaled embeddings, learned positions.
FAMILIES = ("llama", "qwen2", "mistral", "gemma", "gpt2")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Family -> a steerable model, made once."""
    made = {}
    root = tmp_path_factory.mktemp("steering")
    settings = Settings(cache=root / "cache")
    settings.make_folders()

    def get(family):
        if family not in made:
            folder = save_tiny_model(root / family, family)
            resolved = resolve(str(folder), settings, lambda *_: None)
            loaded = load(resolved, device="cpu", dtype="float32", need_chat_template=True)
            made[family] = steerable(loaded)
        return made[family]

    return get


@pytest.fixture(params=FAMILIES)
def model(request, tiny):
    """One of each family."""
    return tiny(request.param)

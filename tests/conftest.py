"""Fixtures shared by all tests: tiny models built from config, SmolLM2, a store of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before transformers is imported anywhere: tests never wait for a Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from backend.errors import HubUnreachable
from backend.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
# Elsewhere most tests extract a run, load a model or draw a page, each of which takes seconds.
FAST = [REPOSITORY / "tests" / name for name in ("core", "studies", "test_architecture.py")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by where it lies; ``make test`` still runs it."""
    for item in items:
        if not any(place in (item.path, *item.path.parents) for place in FAST):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def settings(tmp_path) -> Settings:
    """An empty store; model conversions are shared with the repository's cache."""
    made = Settings(cache=tmp_path / "cache")
    made.make_folders()
    return made


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """Family -> folder of a saved random 3-layer model with a tiny fast tokenizer."""
    # Here, as most tests need no model and should not wait for torch.
    from tests.support.tiny_models import FAMILIES, save_tiny_model

    root = tmp_path_factory.mktemp("models")
    return {family: save_tiny_model(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def tiny_llama(tiny_folders) -> Path:
    """Folder of the random 3-layer Llama."""
    return tiny_folders["llama"]


@pytest.fixture(scope="session")
def wide_llama(tmp_path_factory) -> Path:
    """Folder of a random 3-layer Llama whose heads are wide enough for vLLM on a CPU."""
    from tests.support.tiny_models import WIDE_HEADS, save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("wide") / "llama", "llama", **WIDE_HEADS)


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M-Instruct, fetched once into the repository's cache."""
    from backend.models.load import load
    from backend.models.resolve import resolve

    try:
        resolved = resolve(
            "smollm2-135m-instruct", Settings(cache=REPOSITORY / "cache"), lambda *_: None
        )
    except HubUnreachable as fault:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"SmolLM2 is neither cached nor reachable: {fault.what}")
    return load(resolved, device="cpu", dtype="float32", need_chat_template=True)

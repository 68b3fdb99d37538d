"""The head and final norm that are read from files give the model's own logits."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from backend.extraction import unembedding as module
from backend.extraction.unembedding import open_unembedding
from backend.models.resolve import resolve
from tests.support.tiny_models import FAMILIES, tiny_tokenizer


def logits_of(folder, states):
    """Logits of residual streams after the last block, from the whole model in float64."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    decoder = model.get_decoder()
    norm = next(c for n, c in decoder.named_children() if n in ("norm", "ln_f"))
    with torch.no_grad():
        return model.get_output_embeddings()(norm(torch.tensor(states))).numpy(), model


def check(settings, folder, tied):
    """W (s * v) is how the logits of a state move along v, where the norm's divisor is held."""
    rng = np.random.default_rng(0)
    with ExitStack() as files:
        found = open_unembedding(resolve(str(folder), settings, lambda *_: None), files)
        directions = rng.normal(size=(3, found.width))
        parts = list(found.products(directions, found.rows))
    products = np.concatenate(parts)
    assert found.tied == tied and products.shape == (found.rows, 3)
    # From a state at right angles to v, a step either way has one divisor. Norms use float32.
    state = 3 * np.tile([1.0, -1.0], found.width // 2)
    state -= directions.T @ np.linalg.lstsq(directions.T, state, rcond=None)[0]
    if found.centred:
        state -= state.mean()
        directions = directions - directions.mean(axis=1, keepdims=True)
        state -= directions.T @ np.linalg.lstsq(directions.T, state, rcond=None)[0]
    moved, _ = logits_of(folder, np.stack([state + v for v in directions]))
    back, _ = logits_of(folder, np.stack([state - v for v in directions]))
    for place, v in enumerate(directions):
        size = np.sqrt(np.mean(np.square(state + v)))
        direct = (moved[place] - back[place]) / 2 * size
        scale = np.abs(direct).max()
        assert products[:, place] == pytest.approx(direct, abs=3e-6 * scale)
    return found


@pytest.mark.parametrize("family", list(FAMILIES))
def test_products_are_how_logits_move(settings, tiny_folders, family, monkeypatch):
    monkeypatch.setattr(module, "_NUMBERS", 64 * 100)  # several parts
    # Nothing but the head and the norm is read.
    monkeypatch.setattr(module, "load", None)
    found = check(settings, tiny_folders[family], tied=family.startswith("gemma"))
    assert "RMSNorm" in found.norm and not found.centred


def test_the_scale_is_folded_as_the_norm_multiplies(settings, tiny_folders, tmp_path):
    for family, add in (("llama", 0.0), ("gemma", 1.0)):
        model = AutoModelForCausalLM.from_pretrained(tiny_folders[family])
        weight = torch.linspace(-0.5, 2.0, 64)
        with torch.no_grad():
            model.get_decoder().norm.weight.copy_(weight)
        folder = tmp_path / family
        model.save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        found = check(settings, folder, tied=family == "gemma")
        assert found.scale == pytest.approx(weight.numpy() + add, abs=1e-6)


def test_a_norm_that_takes_the_mean_out_and_files_with_other_names(settings, tmp_path):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer()), n_embd=32, n_layer=2, n_head=2, n_positions=64
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.transformer.ln_f.weight.copy_(torch.linspace(0.5, 2, 32))
        model.transformer.ln_f.bias.copy_(torch.linspace(-3, 3, 32))
    model.save_pretrained(tmp_path / "gpt2")
    tiny_tokenizer().save_pretrained(tmp_path / "gpt2")
    found = check(settings, tmp_path / "gpt2", tied=True)
    assert found.centred and found.norm == "LayerNorm"


def test_what_the_files_do_not_name_is_read_by_transformers(settings, tiny_llama, monkeypatch):
    monkeypatch.setattr(module._Tensors, "find", lambda *_: None)
    check(settings, tiny_llama, tied=False)

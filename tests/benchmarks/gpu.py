"""Extraction on a GPU against what peers do, and against the rate of its matrix products.

The model is a random Llama of the shape of Llama-3-8B in bfloat16, so nothing is downloaded; texts
are random tokens of the sample's lengths. Both baselines ask transformers for all hidden states of
the whole model, logits included, and pool on the GPU. Part of ``make bench`` where there is a GPU;
``python -m tests.benchmarks.gpu --small`` tries the program itself, on any machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM

from backend.extraction.batches import default_budget, plan_batches
from backend.extraction.local import OpenModel, SplittingPooler
from backend.extraction.planned import PlannedStudy
from backend.extraction.pooling import PooledForward
from backend.extraction.spans import EncodedText
from tests.benchmarks.extraction import alternating

# Of Llama-3-8B; twelve layers, as a run has by default.
SHAPE = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
LAYERS = tuple(range(10, 22))
SMALL = SHAPE | {"hidden_size": 64, "intermediate_size": 128, "vocab_size": 512}
TEXTS, SIDE = 1024, 8192
# Bytes: 16 GB of weights, and what a batch of 32 with all its hidden states and logits takes.
NEEDED = 32 * 2**30


def texts(count: int, vocabulary: int) -> tuple[EncodedText, ...]:
    """Random tokens, 12 to 400 a text, in random order; all of them are pooled."""
    rng = np.random.default_rng(0)
    lengths = rng.permutation(np.linspace(12, 400, count).round().astype(int))
    return tuple(
        EncodedText(tuple(rng.integers(0, vocabulary, size=n).tolist()), (True,) * int(n))
        for n in lengths
    )


def steerscope(model: Any, encoded: tuple[EncodedText, ...]) -> NDArray[np.float32]:
    """As a run does it: hooks, early stop, batches by length, the next begun before one is fetched.

    Args:
        model: a causal language model.
        encoded: its texts.
    """
    device = str(model.device)
    budget = default_budget(device)
    batches = plan_batches([text.ids for text in encoded], budget)
    names = tuple(map(str, range(len(encoded))))
    planned = PlannedStudy(encoded, names, batches, budget, ())
    record: Any = SimpleNamespace(
        layers=LAYERS, pooling="mean", dtype=str(model.dtype), device=device
    )
    found = np.zeros((len(LAYERS), len(encoded), model.config.hidden_size), np.float32)
    forward = PooledForward(model, model.config.num_hidden_layers, LAYERS, "mean")
    with forward.opened():
        opened = OpenModel(planned, record, SplittingPooler(forward))
        for batch in batches:
            found[:, list(batch.texts)] = opened.pool(batch).activations
    return found


def hidden_states(model: Any, encoded: Sequence[EncodedText], size: int) -> NDArray[np.float32]:
    """Batches in the order given, padded, output_hidden_states.

    Args:
        model: a causal language model.
        encoded: its texts.
        size: texts of a batch.
    """
    found = np.zeros((len(LAYERS), len(encoded), model.config.hidden_size), np.float32)
    for start in range(0, len(encoded), size):
        part = encoded[start : start + size]
        longest = max(len(text.ids) for text in part)
        ids = torch.tensor([[*text.ids, *[0] * (longest - len(text.ids))] for text in part])
        mask = torch.tensor([[1] * len(t.ids) + [0] * (longest - len(t.ids)) for t in part])
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.inference_mode():
            states = model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
            weights = (mask / mask.sum(1, keepdim=True)).unsqueeze(1).float()
            for place, layer in enumerate(LAYERS):
                pooled = (weights @ states[layer].float())[:, 0]
                found[place, start : start + len(part)] = pooled.cpu().numpy()
    return found


def matrix_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a product of square matrices, the best of five.

    Args:
        device: where.
        dtype: of the matrices.
        side: their size.
    """
    one = torch.randn(side, side, device=device, dtype=dtype)
    seconds = []
    for _ in range(5):
        _settle(device)
        started = time.perf_counter()
        one @ one
        _settle(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)


def _settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def measure(*, small: bool = False) -> dict[str, float]:
    """Print the table; the figures by name, none where there is no GPU.

    Args:
        small: a tiny model on any device instead, whose figures say nothing.
    """
    if not small and not torch.cuda.is_available():
        print("extraction on a GPU: this machine has none")
        return {}
    if not small and torch.cuda.mem_get_info()[0] < NEEDED:
        print(f"extraction on a GPU: {NEEDED / 2**30:.0f} GiB are needed, and fewer are free")
        return {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape, count, side = (SMALL, 24, 256) if small else (SHAPE, TEXTS, SIDE)
    dtype = torch.float32 if small else torch.bfloat16
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM._from_config(LlamaConfig(**shape), dtype=dtype)
    model.eval().requires_grad_(False)
    encoded = texts(count, shape["vocab_size"])
    ways: dict[str, Callable[[], NDArray[np.float32]]] = {
        "steerscope": partial(steerscope, model, encoded),
        "batch32": partial(hidden_states, model, encoded, 32),
        "batch1": partial(hidden_states, model, encoded, 1),
    }
    found = {name: way() for name, way in ways.items()}
    median = alternating(ways)
    error = np.abs(found["steerscope"] - found["batch1"]).max(-1)
    largest = float((error / np.abs(found["batch1"]).max(-1)).max())
    # Products with the weights of the blocks that are run; attention comes on top.
    weights = sum(
        parameter.numel()
        for block in model.model.layers[: LAYERS[-1]]
        for parameter in block.parameters()
        if parameter.dim() == 2
    )
    rate = 2 * weights * sum(len(text.ids) for text in encoded) / median["steerscope"]
    share = rate / matrix_rate(device, dtype, side)
    of = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"extraction on {of}, {count} texts, layers {LAYERS[0]} to {LAYERS[-1]}, {dtype}")
    for name, seconds in median.items():
        print(f"  {name:<12}{seconds:9.2f} s  {seconds / median['steerscope']:6.2f}")
    print(
        f"  {share:.0%} of the matrix rate; largest error {largest:.1e} of the largest coordinate"
    )
    return {
        "gpu_vs_batch1": round(median["batch1"] / median["steerscope"], 3),
        "gpu_vs_batch32": round(median["batch32"] / median["steerscope"], 3),
        "gpu_share_of_matrix_rate": round(share, 3),
        "gpu_largest_error": largest,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny model, on any machine")
    print(json.dumps(measure(small=parser.parse_args().small)))

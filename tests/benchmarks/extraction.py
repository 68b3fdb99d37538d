"""Extraction against what peers do: one text at a time, and padded batches of 32.

Both baselines ask transformers for all hidden states of the whole model, logits included, and
pool on the host afterwards. Rounds alternate, so that a busy machine slows all three alike. Peak
memory is measured in processes of their own. Run with ``make bench``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.extraction.batches import CPU_TOKENS, plan_batches
from backend.extraction.pooling import PooledForward
from backend.extraction.precision import layer_errors
from backend.extraction.spans import EncodedText, encode_prompt, encode_response
from backend.models.cpu import multiplies_bfloat16
from backend.models.load import LoadedModel, load
from backend.models.resolve import resolve
from backend.settings import DEFAULT_MODEL, Settings
from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from backend.types import Prompt
from tests.benchmarks.memory import peak_of_this_process

TEXTS, LAYERS, ROUNDS = 96, tuple(range(8, 20)), 2
# Of the sample, two turns each.
CHATS = 24
REPOSITORY = Path(__file__).resolve().parents[2]
Extract = Callable[[LoadedModel, Sequence[EncodedText]], NDArray[np.float32]]


def model(dtype: str = "float32") -> LoadedModel:
    """SmolLM2 on the CPU."""
    resolved = resolve(DEFAULT_MODEL, Settings(cache=REPOSITORY / "cache"), lambda *_: None)
    return load(resolved, device="cpu", dtype=dtype, need_chat_template=False)


def texts(tokenizer) -> list[EncodedText]:
    """96 texts of 8 to 120 words from the sample study, in random order."""
    rng = np.random.default_rng(0)
    words = " ".join(r.text for r in read_study(sample_path(), "sample").responses).split()
    lengths = rng.permutation(np.linspace(8, 120, TEXTS).round().astype(int))
    starts = rng.integers(0, len(words) - 120, size=TEXTS)
    return [
        encode_prompt(tokenizer, Prompt("t", "high", " ".join(words[s : s + n])))
        for s, n in zip(starts, lengths, strict=True)
    ]


def steerscope(
    loaded: LoadedModel, encoded: Sequence[EncodedText], *more: Sequence[EncodedText]
) -> NDArray[np.float32]:
    """Pooling hooks, early stop, length-sorted batches under a token budget; of each of several
    lists of texts by itself, one behind the other."""
    found = []
    with PooledForward(loaded.model, loaded.depth, LAYERS, "mean").opened() as forward:
        for part in (encoded, *more):
            rows = np.zeros((len(LAYERS), len(part), loaded.width), np.float32)
            for batch in plan_batches([text.ids for text in part], CPU_TOKENS):
                pooled = forward.pool([part[i] for i in batch.texts])
                rows[:, list(batch.texts)] = pooled.activations
            found.append(rows)
    return np.concatenate(found, axis=1)


def hidden_states(loaded: LoadedModel, encoded: Sequence[EncodedText], size: int):
    """Batches in input order, padded, output_hidden_states, pooled on the host."""
    found = np.zeros((len(LAYERS), len(encoded), loaded.width), np.float32)
    for start in range(0, len(encoded), size):
        part = encoded[start : start + size]
        longest = max(len(text.ids) for text in part)
        ids = torch.zeros((len(part), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(part):
            ids[row, : len(text.ids)] = torch.tensor(text.ids)
            mask[row, : len(text.ids)] = 1
        with torch.inference_mode():
            states = loaded.model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        for place, layer in enumerate(LAYERS):
            for row, text in enumerate(part):
                wanted = states[layer][row, : len(text.ids)][torch.tensor(text.wanted)]
                found[place, start + row] = wanted.mean(0).numpy()
    return found


def batch1(loaded: LoadedModel, encoded: Sequence[EncodedText]) -> NDArray[np.float32]:
    """One text at a time."""
    return hidden_states(loaded, encoded, 1)


def batch32(loaded: LoadedModel, encoded: Sequence[EncodedText]) -> NDArray[np.float32]:
    """Padded batches of 32."""
    return hidden_states(loaded, encoded, 32)


WAYS: dict[str, Extract] = {"steerscope": steerscope, "batch1": batch1, "batch32": batch32}


def peak_memory(way: str) -> float:
    """Peak resident bytes of a process that loads the model and extracts once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.extraction", way],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def alternating(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of some calls, which take turns.

    Args:
        calls: by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def bfloat16(loaded: LoadedModel, encoded: Sequence[EncodedText]) -> dict[str, float]:
    """Print how much faster bfloat16 is than float32, and what it loses; nothing where the CPU has
    no units for it.

    Args:
        loaded: the model in float32.
        encoded: the texts.
    """
    if not multiplies_bfloat16():
        print("bfloat16: this CPU has no units for it")
        return {}
    models = {"float32": loaded, "bfloat16": model("bfloat16")}
    found = {name: steerscope(one, encoded) for name, one in models.items()}
    median = alternating({name: partial(steerscope, one, encoded) for name, one in models.items()})
    faster = median["float32"] / median["bfloat16"]
    errors = layer_errors(LAYERS, found["float32"], found["bfloat16"])
    largest = max(error.largest or 0.0 for error in errors)
    spread = max(error.of_spread or 0.0 for error in errors)
    print(
        f"bfloat16 v float32: {faster:.2f} times as fast; error of an activation at most "
        f"{largest:.1%} of its length, and {spread:.1%} of the spread between texts"
    )
    return {
        "bfloat16_vs_float32": round(faster, 3),
        "bfloat16_largest_error": round(largest, 4),
        "bfloat16_error_of_spread": round(spread, 4),
    }


def tokens_read(encoded: Sequence[EncodedText]) -> int:
    """Real tokens that a model reads for some texts."""
    return sum(batch.tokens for batch in plan_batches([text.ids for text in encoded], CPU_TOKENS))


def in_one_pass(loaded: LoadedModel) -> dict[str, float]:
    """Print how much faster the first and last turns of the sample's chats are read together, where
    a first turn is pooled in the pass of its chat, than apart.

    Args:
        loaded: the model.
    """
    responses = read_study(sample_path(), "sample").responses
    turns = {
        turn: [encode_response(loaded.tokenizer, r) for r in responses if r.turn == turn][:CHATS]
        for turn in ("t1", "tN")
    }
    both = [*turns["t1"], *turns["tN"]]
    ways = {
        "together": partial(steerscope, loaded, both),
        "apart": partial(steerscope, loaded, turns["t1"], turns["tN"]),
    }
    one, other = (way() for way in ways.values())
    median = alternating(ways)
    tokens = {"together": tokens_read(both), "apart": sum(map(tokens_read, turns.values()))}
    faster = median["apart"] / median["together"]
    print(
        f"two turns of {CHATS} chats in one pass: {faster:.2f} times as fast as apart, "
        f"{tokens['together']} instead of {tokens['apart']} tokens"
    )
    return {
        "turns_in_one_pass_speedup": round(faster, 3),
        "turns_in_one_pass_tokens": round(tokens["together"] / tokens["apart"], 3),
        "turns_in_one_pass_error": float(
            (np.abs(one - other).max(-1) / np.abs(other).max(-1)).max()
        ),
    }


def measure() -> dict[str, float]:
    """Print a table and return the figures."""
    loaded = model()
    encoded = texts(loaded.tokenizer)
    results = {name: way(loaded, encoded) for name, way in WAYS.items()}
    median = alternating({name: partial(way, loaded, encoded) for name, way in WAYS.items()})
    memory = {name: peak_memory(name) for name in WAYS}
    tokens = sum(len(text.ids) for text in encoded)
    print(
        f"{TEXTS} texts, {tokens} tokens, layers {LAYERS[0]}-{LAYERS[-1]}, SmolLM2, CPU, "
        f"{torch.get_num_threads()} threads, median of {ROUNDS} alternating rounds"
    )
    print(f"{'way':12}{'seconds':>9}{'texts/s':>9}{'tokens/s':>10}{'peak MiB':>10}")
    for name in WAYS:
        print(
            f"{name:12}{median[name]:9.2f}{TEXTS / median[name]:9.1f}"
            f"{tokens / median[name]:10.0f}{memory[name] / 2**20:10.0f}"
        )
    error = np.abs(results["steerscope"] - results["batch1"]).max(-1)
    scale = np.abs(results["batch1"]).max(-1)
    return {
        "extract_vs_batch1": round(median["batch1"] / median["steerscope"], 3),
        "extract_vs_batch32": round(median["batch32"] / median["steerscope"], 3),
        "peak_memory_vs_batch1": round(memory["steerscope"] / memory["batch1"], 3),
        "max_relative_error": float((error / scale).max()),
        **in_one_pass(loaded),
        **bfloat16(loaded, encoded),
    }


if __name__ == "__main__":
    # One way in a process of its own, for its peak memory.
    model_here = model()
    WAYS[sys.argv[1]](model_here, texts(model_here.tokenizer))
    print(peak_of_this_process())

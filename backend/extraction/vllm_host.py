"""The process that runs vLLM: loads one model at a time and answers the process that started it.

It runs in vLLM's environment, so it imports nothing that is missing there. Questions and answers
are JSON, activations follow an answer as their bytes: nothing is unpickled on either side, and the
two environments may have other versions of everything.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from backend.extraction.vllm_pooling import EXTRA, LONG, SHORT, PoolingExtension
from backend.lifeline import end_with_starter

# Tokens of a step, and texts beside each other: what more there is waits for the next step.
MOST_TOKENS, MOST_TEXTS = 16384, 512
# Of a GPU's memory; the rest is for pooled sums.
_GPU_SHARE = 0.85
_MIB = 2**20


class Host:
    """One model of vLLM, and what is asked of it."""

    def __init__(self) -> None:
        self._llm: Any = None

    def load(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Load and hook a model, and try it.

        Args:
            said: folder, dtype, depth, width, layers; longest text and most texts and tokens of a
                batch; tokens of cache that a batch takes; tensor and pipeline parallel sizes; ray,
                whether its workers are started by Ray.

        Returns:
            Class of the model, its device, and versions; or why it cannot be used.
        """
        # Thousands of modules make a million objects that stay: to look through them for garbage
        # again and again takes seconds.
        gc.disable()
        import torch
        import vllm
        from vllm.platforms import current_platform

        gc.freeze()
        gc.enable()
        # The model before must be gone first: it takes what all models of a process share with it.
        self._llm = None
        gc.collect()
        on_cpu = bool(current_platform.is_cpu())
        sizes: dict[str, Any] = {"gpu_memory_utilization": _GPU_SHARE}
        if on_cpu and not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            sizes = {"kv_cache_memory_bytes": _cache_bytes(said)}
        if on_cpu:
            _look_at_model(said)
        if said["ray"]:
            sizes["distributed_executor_backend"] = "ray"
        self._llm = vllm.LLM(
            said["folder"],
            dtype=said["dtype"],
            model_impl="vllm",
            skip_tokenizer_init=True,
            trust_remote_code=False,
            # Hooks need the model as it is written.
            enforce_eager=True,
            # What is taken from a cache is never read, and its activations would be missing.
            enable_prefix_caching=False,
            tensor_parallel_size=said["tensor"],
            pipeline_parallel_size=said["pipeline"],
            max_model_len=max(said["longest"], LONG) + 1,
            max_num_batched_tokens=min(MOST_TOKENS, max(said["tokens"], 2 * LONG)),
            max_num_seqs=min(MOST_TEXTS, max(said["texts"], 2)),
            worker_extension_cls=f"{PoolingExtension.__module__}.{PoolingExtension.__name__}",
            **sizes,
        )
        asked = (said["depth"], said["width"], said["layers"])
        told = self._ask("steerscope_hook", *asked)
        faults = [fault for _, _, fault in told if fault]
        if not faults:
            self._try()
            faults = [fault for fault in self._ask("steerscope_tried") if fault]
        if faults:
            return {"unsupported": f"{told[0][0]}: {faults[0]}"}
        missing = set(said["layers"]) - {layer for _, layers, _ in told for layer in layers}
        if missing:
            return {"unsupported": f"{told[0][0]} has no layer {min(missing)} in any worker"}
        return {
            "architecture": told[0][0],
            "device": current_platform.device_type,
            "versions": {
                "vllm": vllm.__version__,
                "torch": torch.__version__,
                "vllm transformers": version("transformers"),
                "vllm python": platform.python_version(),
            },
        }

    def pool(self, texts: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], bytes]:
        """Read a batch of texts.

        Args:
            texts: ids of the tokens; the places in the batch of this text and of those that begin
                it, which are read with it; of each of them the bounds of the pooled ranges, one
                behind the other.

        Returns:
            The layers, and their pooled activations, norms and products, [layers, texts, d + 2],
            as bytes of float32; or why there are none.
        """
        self._read(texts)
        rows: dict[int, np.ndarray[Any, Any]] = {}
        for told in self._ask("steerscope_take"):
            if told is None:
                continue
            layers, found, read = told
            short = sum(
                read[place] != len(text["ids"]) for text in texts for place in text["texts"]
            )
            if short:
                return {"unread": short}, b""
            rows |= dict(zip(layers, found, strict=True))
        layers = sorted(rows)
        return {"layers": layers}, np.stack([rows[layer] for layer in layers]).tobytes()

    def _ask(self, method: str, *args: Any) -> list[Any]:
        found: list[Any] = self._llm.collective_rpc(method, args=args)
        return found

    def _read(self, texts: Sequence[Mapping[str, Any]]) -> None:
        from vllm import SamplingParams

        self._ask("steerscope_begin", sum(len(text["texts"]) for text in texts))
        self._llm.generate(
            [{"prompt_token_ids": text["ids"]} for text in texts],
            [
                SamplingParams(
                    max_tokens=1,
                    temperature=0.0,
                    detokenize=False,
                    extra_args={EXTRA: {"texts": text["texts"], "pooled": text["pooled"]}},
                )
                for text in texts
            ],
            use_tqdm=False,
        )

    def _try(self) -> None:
        """Have the model read two texts, one of which is the beginning of the other."""
        size = self._llm.llm_engine.model_config.get_vocab_size()
        # Special tokens are the first, in most vocabularies.
        ids = [size // 10 + 7919 * place % (size - size // 10) for place in range(LONG)]
        self._read(
            [
                {"ids": ids[:count], "texts": [place], "pooled": [[0, count]]}
                for place, count in enumerate((SHORT, LONG))
            ]
        )


def answer(host: Host, said: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What a question is answered with; a fault of vLLM is told by its kind and sentence."""
    try:
        if said["do"] == "load":
            return host.load(said), b""
        return host.pool(said["texts"])
    except Exception as fault:  # noqa: BLE001  Whatever it is, who asks must hear of it.
        import traceback

        traceback.print_exc()
        return {"fault": type(fault).__name__, "text": _sentence(fault)}, b""


def _sentence(fault: BaseException) -> str:
    """What a fault says; of one of vLLM's settings, without the settings."""
    text = str(fault).strip()
    found = re.search(r"Value error, (.*?)(?: \[type=|$)", text, re.DOTALL)
    return (found[1] if found else text) or type(fault).__name__


def _config(said: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(said["folder"]) / "config.json").read_text("utf-8"))
    return found


def _look_at_model(said: Mapping[str, Any]) -> None:
    """Have vLLM look at the model's class in this process. It would start another one for that, so
    that CUDA is not touched here, and wait for it for as long as for its own start."""
    from vllm import ModelRegistry

    for name in _config(said).get("architectures") or ():
        if name in ModelRegistry.models:
            ModelRegistry.register_model(name, ModelRegistry.models[name].load_model_cls())


def _cache_bytes(said: Mapping[str, Any]) -> int:
    """Bytes of keys and values of the largest batch, with a quarter to spare.

    Args:
        said: as of :meth:`Host.load`.
    """
    whole = _config(said)
    config = whole.get("text_config") or whole
    heads = config.get("num_attention_heads") or config.get("n_head") or 1
    each = config.get("head_dim") or -(-said["width"] // heads)
    kept = config.get("num_key_value_heads") or heads
    digits = 4 if said["dtype"] == "float32" else 2
    bytes_each = 2 * said["depth"] * kept * each * digits
    return int(1.25 * said["cached"] * bytes_each) + 64 * _MIB


def main() -> None:
    """Answer until the process that started this one is gone."""
    end_with_starter()
    channel = Connection(int(sys.argv[1]))
    host = Host()
    while True:
        try:
            said = json.loads(channel.recv_bytes())
        except EOFError:
            return
        told, content = answer(host, said)
        sys.stdout.flush()
        channel.send_bytes(json.dumps(told).encode())
        if content:
            channel.send_bytes(content)


if __name__ == "__main__":
    main()

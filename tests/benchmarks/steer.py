"""Tokens/s of steered answers against plain ``generate`` of transformers, in the same run.

SmolLM2 answers one chat in four variants: plain, two strengths and a random direction, streamed
token by token with projections. The baseline writes as many tokens for the same four rows, with
nothing hooked. Rounds of both take turns; the ratio is the median over rounds. Run with
``make bench-steer``.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from transformers import GenerationConfig

from backend.models.load import load
from backend.models.resolve import resolve
from backend.settings import DEFAULT_MODEL, Settings
from backend.steering.chats import Chat, encode_chat
from backend.steering.hooks import Readout, steerable
from backend.steering.interventions import Intervention, random_like
from backend.steering.speaking import Speaker

REPOSITORY = Path(__file__).resolve().parents[2]
TOKENS, ROUNDS, LAYER = 32, 5, 15
LEAST_RATIO = 0.9


def main() -> None:
    """Print the table and one line of JSON."""
    settings = Settings(cache=REPOSITORY / "cache")
    loaded = load(
        resolve(DEFAULT_MODEL, settings, lambda *_: None),
        device="cpu",
        dtype="float32",
        need_chat_template=True,
    )
    vector = np.random.default_rng(0).standard_normal(loaded.width) * 0.2
    rows = [
        (),
        (Intervention(LAYER, vector),),
        (Intervention(LAYER, vector, strength=2.0),),
        (Intervention(LAYER, random_like(vector, 1), strength=2.0),),
    ]
    chat = encode_chat(loaded, Chat(("What should I cook for dinner tonight, and why?",)))
    ids = torch.tensor([chat.ids] * len(rows))
    speaker = Speaker(steerable(loaded), keep=False)
    told: list[object] = []

    def steered() -> int:
        spoken = speaker.answer(
            [chat] * len(rows),
            rows,
            [Readout(LAYER, vector)],
            most_tokens=TOKENS,
            temperature=0.0,
            seeds=[0] * len(rows),
            told=told.append,
        )
        return sum(len(one.ids) for one in spoken)

    def plain() -> int:
        with torch.inference_mode():
            made = loaded.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=GenerationConfig(
                    do_sample=False, max_new_tokens=TOKENS, pad_token_id=0
                ),
            )
        return int(made[:, ids.shape[1] :].numel())

    # Neither ends before the limit, so that both write the same number of tokens.
    with mock.patch("backend.steering.speaking.ending_tokens", lambda _: []):
        rates: dict[str, list[float]] = {"plain": [], "steered": []}
        for place in range(ROUNDS + 1):
            for name, write in (("plain", plain), ("steered", steered)):
                started = time.perf_counter()
                count = write()
                assert count == TOKENS * len(rows)
                if place:  # the first is to warm up
                    rates[name].append(count / (time.perf_counter() - started))
    ratios = [s / p for s, p in zip(rates["steered"], rates["plain"], strict=True)]
    ratio = statistics.median(ratios)
    for name, found in rates.items():
        print(f"{name:10}{statistics.median(found):8.1f} tokens/s, {len(rows)} rows")
    figures = {
        "steer_tokens_s": round(statistics.median(rates["steered"]), 1),
        "generate_tokens_s": round(statistics.median(rates["plain"]), 1),
        "steer_v_generate": round(ratio, 3),
        "least": LEAST_RATIO,
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

"""A model in which one direction is read and does nothing, and another does something and is not
read; with a study of both.

Letters stand for what texts say. ``Q`` adds a direction that no logit depends on: its trait is
warmth, and responses hold as many as they have points. ``Z`` and ``J`` add a direction, high and
low, that makes the model prefer ``Y`` to ``N``: its trait is haste, and no response holds them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.types import Message, Prompt, Response, Study
from tests.support.studies import WORDS
from tests.support.tiny_models import DEPTH, WIDTH, save_tiny_model

LAYER = DEPTH
# Lengths of what letters add to the residual stream, and of what one direction adds to a logit.
READ, PUSH = 60.0, 3.0


def directions() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of what is read and of what does something, [d], orthogonal."""
    drawn = np.random.default_rng(0).standard_normal((WIDTH, 2))
    basis = np.linalg.qr(drawn)[0]
    return basis[:, 0], basis[:, 1]


def save_planted_model(folder: Path) -> Path:
    """Save the model and return its folder."""
    save_tiny_model(folder, "llama")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    token = tokenizer.convert_tokens_to_ids
    read, push = (torch.tensor(one, dtype=torch.float32) for one in directions())
    with torch.no_grad():
        embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embedding[token("Q")] += READ * read
        embedding[token("Z")] += READ * push
        embedding[token("J")] -= READ * push
        # The final norm scales coordinates by 1, so what is orthogonal before it stays so.
        model.base_model.norm.weight.fill_(1.0)
        head -= torch.outer(head @ read, read)
        head -= torch.outer(head @ push, push)
        head[token("Y")] += PUSH * push
        head[token("N")] -= PUSH * push
    model.save_pretrained(folder)
    return folder


def planted_study(scenarios: int = 150, pairs: int = 8) -> Study:
    """The study: pairs that begin alike, then ``Y`` and what is high, or ``N`` and what is low."""
    rng = np.random.default_rng(4)

    def words(count: int) -> str:
        return " ".join(rng.choice(WORDS, size=count))

    letters = {"warmth": ("Q Q Q", "still you act"), "haste": ("Z Z Z", "J J J")}
    prompts = []
    for trait, (high, low) in letters.items():
        for number in range(pairs):
            asked = words(4)
            prompts.append(Prompt(trait, "high", f"{asked}: Y {high}", pair=f"{trait}{number}"))
            prompts.append(Prompt(trait, "low", f"{asked}: N {low}", pair=f"{trait}{number}"))
    responses = []
    for number in range(scenarios):
        points = int(rng.integers(0, 9))
        responses.append(
            Response(
                scenario=f"s{number:03d}",
                text=" ".join(rng.permutation(["Q"] * points + words(9 - points).split())),
                turn=None,
                responder="author",
                messages=(Message("user", words(3)),),
                scores={
                    "warmth": float(np.clip(points + rng.normal(0, 0.7), 0, 10)),
                    "haste": float(rng.uniform(0, 10)),
                },
            )
        )
    return Study(
        name="planted-steering",
        title="Planted directions",
        description="",
        licence="MIT",
        provenance="Letters, for tests.",
        score_range=(0.0, 10.0),
        traits={"warmth": "", "haste": ""},
        prompts=tuple(prompts),
        responses=tuple(responses),
    )

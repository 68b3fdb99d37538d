"""Answers of a loaded model to chats, in batches; what a text gets does not depend on its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from backend.errors import TextTooLong
from backend.models.load import LoadedModel


@dataclass(frozen=True)
class Written:
    """One answer.

    Attributes:
        text: without special tokens.
        finished: whether the model ended it, and not the limit.
        tokens_in: of the chat with its template.
        tokens_out: of the answer, the one that ends it left out.
    """

    text: str
    finished: bool
    tokens_in: int
    tokens_out: int


def generate(
    loaded: LoadedModel,
    chats: Sequence[Sequence[int]],
    *,
    most_tokens: int,
    temperature: float,
    seeds: Sequence[int],
) -> list[Written]:
    """The model's answers to chats, as one batch that is padded on the left.

    Args:
        loaded: the model.
        chats: tokens of each, as its model reads it.
        most_tokens: length of an answer.
        temperature: 0 takes the likeliest token each time; else tokens are drawn from the softmax
            of the logits over it.
        seeds: one a chat. Each draws its own noise, so that an answer is the same in any batch (up
            to rounding).

    Raises:
        TextTooLong: a chat with its answer exceeds the positions the model was built for.
    """
    longest = max(map(len, chats))
    check_room(loaded, longest, most_tokens)
    ends = ending_tokens(loaded)
    padding = ends[0] if ends else 0
    ids = torch.tensor([[padding] * (longest - len(chat)) + list(chat) for chat in chats])
    mask = torch.tensor([[0] * (longest - len(chat)) + [1] * len(chat) for chat in chats])
    drawing = LogitsProcessorList([Draw(seeds, temperature)] if temperature > 0 else [])
    with torch.inference_mode():
        made = loaded.model.generate(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            logits_processor=drawing,
            generation_config=GenerationConfig(
                # The likeliest token, of logits with noise where tokens are drawn.
                do_sample=False,
                max_new_tokens=most_tokens,
                eos_token_id=ends or None,
                pad_token_id=padding,
                repetition_penalty=1.0,
            ),
        )
    found = []
    for chat, row in zip(chats, made[:, longest:].tolist(), strict=True):
        stop = next((place for place, token in enumerate(row) if token in ends), None)
        own = row if stop is None else row[:stop]
        text = loaded.tokenizer.decode(own, skip_special_tokens=True)
        found.append(Written(text, stop is not None, len(chat), len(own)))
    return found


def check_room(loaded: LoadedModel, chat_tokens: int, answer_tokens: int) -> None:
    """Refuse a chat whose answer has no room.

    Args:
        loaded: the model.
        chat_tokens: of the chat.
        answer_tokens: longest answer.

    Raises:
        TextTooLong: together they exceed the positions the model was built for.
    """
    if loaded.max_positions is not None and chat_tokens + answer_tokens > loaded.max_positions:
        raise TextTooLong(
            f"A chat of {chat_tokens} tokens and an answer of {answer_tokens} are more than the "
            f"{loaded.max_positions} positions of {loaded.resolved.reference}.",
            expected="a shorter chat or answer.",
            remedy="allow shorter answers, or use a model with more positions.",
        )


def ending_tokens(loaded: LoadedModel) -> list[int]:
    """Tokens that end an answer, as the model's files say. Args: the model."""
    given = loaded.model.generation_config.eos_token_id
    ends = given if isinstance(given, list) else [given]
    return [end for end in (*ends, loaded.tokenizer.eos_token_id) if isinstance(end, int)]


class Draw(LogitsProcessor):  # type: ignore[misc]
    """Makes the likeliest token one that is drawn by its probability (Gumbel's trick): the largest
    of logit / temperature + noise, with noise of its own for each text.

    Args:
        seeds: one a text.
        temperature: above 0.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        self._noise = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def __call__(self, input_ids: Any, scores: torch.Tensor) -> torch.Tensor:
        """Logits with noise. Args: tokens so far; logits, a row a text."""
        width = scores.shape[1]
        drawn = [-torch.empty(width).exponential_(generator=one).log() for one in self._noise]
        return scores.float() / self._temperature + torch.stack(drawn).to(scores.device)

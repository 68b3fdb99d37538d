"""Answers of a model in a batch are those it gives alone; drawn tokens follow its probabilities."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from backend.errors import ExtractionError, TextTooLong
from backend.extraction.spans import chat_ids
from backend.models.generate import generate
from backend.models.load import load
from backend.models.resolve import resolve
from backend.types import Message

CHATS = [
    (Message("user", "Hi."),),
    (Message("system", "Be short."), Message("user", "You keep saying it was expected, why?")),
    (Message("user", "tell me " * 9),),
]


@pytest.fixture(scope="module", params=["llama", "gemma"])
def loaded(request, tiny_folders, tmp_path_factory):
    from backend.settings import Settings

    settings = Settings(cache=tmp_path_factory.mktemp("cache"))
    settings.make_folders()
    resolved = resolve(str(tiny_folders[request.param]), settings, lambda *_: None)
    return load(resolved, device="cpu", dtype="float32", need_chat_template=True)


def answer(loaded, chats, temperature=0.0, seeds=None, most_tokens=12):
    ids = [chat_ids(loaded.tokenizer, chat, "a chat") for chat in chats]
    given = seeds or range(len(ids))
    return generate(
        loaded, ids, most_tokens=most_tokens, temperature=temperature, seeds=list(given)
    )


def test_the_likeliest_tokens_are_those_of_one_forward_pass_a_token(loaded):
    for chat, written in zip(CHATS, answer(loaded, CHATS), strict=True):
        ids = chat_ids(loaded.tokenizer, chat, "a chat")
        own = []
        for _ in range(12):
            with torch.no_grad():
                logits = loaded.model(torch.tensor([ids + own])).logits[0, -1]
            own.append(int(logits.argmax()))
            if own[-1] == loaded.tokenizer.eos_token_id:
                break
        finished = own[-1] == loaded.tokenizer.eos_token_id
        own = own[:-1] if finished else own
        assert written.text == loaded.tokenizer.decode(own, skip_special_tokens=True)
        assert (written.finished, written.tokens_in) == (finished, len(ids))
        assert written.tokens_out == len(own)


def test_drawn_answers_do_not_depend_on_the_batch(loaded):
    together = answer(loaded, CHATS, 1.0, [5, 6, 7])
    alone = [
        answer(loaded, [chat], 1.0, [seed])[0] for chat, seed in zip(CHATS, [5, 6, 7], strict=True)
    ]
    assert together == alone
    assert answer(loaded, CHATS, 1.0, [8, 9, 10]) != together


def test_a_template_that_fails_on_a_chat_is_told(loaded):
    broken = copy.deepcopy(loaded.tokenizer)
    broken.chat_template = "{{ 1 / 0 }}"
    with pytest.raises(ExtractionError, match="fails on the conversation of a chat with ZeroDiv"):
        chat_ids(broken, CHATS[0], "a chat")


def test_tokens_are_drawn_by_their_probability(loaded):
    draws, temperature = 1500, 0.3
    ids = chat_ids(loaded.tokenizer, CHATS[0], "a chat")
    with torch.no_grad():
        logits = loaded.model(torch.tensor([ids])).logits[0, -1].double() / temperature
    expected = torch.softmax(logits, 0).numpy() * draws
    written = generate(
        loaded, [ids] * draws, most_tokens=1, temperature=temperature, seeds=list(range(draws))
    )
    texts = [one.text for one in written]
    names = [loaded.tokenizer.decode([t], skip_special_tokens=True) for t in range(len(expected))]
    # Tokens of the same text, and rare ones, are counted together.
    by_text: dict[str, float] = {}
    for name, count in zip(names, expected, strict=True):
        by_text[name] = by_text.get(name, 0.0) + float(count)
    common = [name for name, count in by_text.items() if count >= 5]
    observed = [texts.count(name) for name in common]
    wanted = [by_text[name] for name in common]
    observed.append(draws - sum(observed))
    wanted.append(draws - sum(wanted))
    assert len(common) >= 4
    assert chisquare(observed, np.array(wanted) * draws / sum(wanted)).pvalue > 1e-3


def test_what_does_not_fit_is_refused(loaded):
    with pytest.raises(TextTooLong, match="are more than the"):
        answer(loaded, CHATS, most_tokens=100_000)

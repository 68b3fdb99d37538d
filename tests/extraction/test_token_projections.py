"""Every token's projection is that of its float64 hidden state, and tokens spell the text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from backend.extraction.pooling import PooledForward
from backend.extraction.spans import encode_response
from backend.extraction.token_projections import project_tokens
from backend.extraction.tokens import token_texts
from backend.models.load import load
from backend.models.resolve import resolve
from backend.types import Message, Response
from tests.support.tiny_models import DEPTH, WIDTH, tiny_tokenizer

LAYERS = (0, 1, 3)
CHAT = (Message("user", "It was expected."),)


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_projections_are_of_hidden_states_and_pool_as_a_run_does(settings, tiny_folders, family):
    resolved = resolve(str(tiny_folders[family]), settings, lambda *_: None)
    loaded = load(resolved, device="cpu", dtype="float32", need_chat_template=True)
    texts = [
        encode_response(loaded.tokenizer, Response("s", text, messages=CHAT))
        for text in ("You keep saying it.", "Nothing else, still", "No")
    ]
    rng = np.random.default_rng(0)
    units = rng.normal(size=(2, len(LAYERS), WIDTH))
    units /= np.linalg.norm(units, axis=2, keepdims=True)
    units[1, 2] = np.nan
    told = []
    found = project_tokens(loaded, texts, LAYERS, units, told.append)
    assert told == [0, 1, 2]
    with PooledForward(loaded.model, DEPTH, LAYERS, "mean").opened() as forward:
        pooled = forward.pool(texts).activations
    last = {}
    blocks = loaded.model.get_decoder().layers
    blocks[-1].register_forward_hook(lambda _m, _a, out: last.update(h=out))
    for place, (text, own) in enumerate(zip(texts, found, strict=True)):
        with torch.no_grad():
            ids = torch.tensor([text.ids])
            states = loaded.model(ids, output_hidden_states=True).hidden_states
        for column, layer in enumerate(LAYERS):
            # After the last block transformers gives the state after the final norm.
            hidden = last["h"] if layer == DEPTH else states[layer]
            hidden = (hidden[0] if hidden.ndim == 3 else hidden).double().numpy()
            assert own.norms[column] == pytest.approx(np.linalg.norm(hidden, axis=1), rel=1e-5)
            for vector in range(2):
                unit = units[vector, column]
                if np.isnan(unit).any():
                    assert np.isnan(own.values[vector, column]).all()
                    continue
                size = np.abs(hidden @ unit).max()
                assert own.values[vector, column] == pytest.approx(hidden @ unit, abs=1e-5 * size)
                mean = own.values[vector, column][np.array(text.wanted)].mean()
                stored = pooled[column, place].astype(np.float64) @ unit
                assert mean == pytest.approx(stored, abs=1e-5 * size)


def test_tokens_spell_the_text_with_characters_of_several_tokens():
    tokenizer = tiny_tokenizer()
    for text in ("You keep saying café 😀 naïve – 漢字", "😀", "a\n\nb\t<|end|> c"):
        ids = tokenizer(text)["input_ids"]
        found = token_texts(tokenizer, ids)
        assert len(found) == len(ids)
        assert "".join(found) == f"<s>{text}"
    emoji = token_texts(tokenizer, tokenizer("😀", add_special_tokens=False)["input_ids"])
    assert emoji == ("", "", "", "😀")
    # Bytes that are no character: each is told as such, and what follows is not lost.
    broken = tokenizer("😀", add_special_tokens=False)["input_ids"][:2]
    ids = [*broken, *tokenizer(" you keep", add_special_tokens=False)["input_ids"]]
    assert "".join(token_texts(tokenizer, ids)) == "\ufffd you keep"
    assert token_texts(tokenizer, []) == ()


def test_a_tokenizer_that_drops_the_first_space_keeps_those_between():
    words = {"<s>": 0, "▁you": 1, "▁keep": 2, "ing": 3}
    raw = Tokenizer(models.WordLevel(words, unk_token="<s>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>")
    assert tokenizer.decode([2]) == "keep"
    assert token_texts(tokenizer, [1, 2, 3, 1]) == ("you", " keep", "ing", " you")

"""Steered answers: plain ones where nothing is done, streamed, cancelled, and the same cached."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import ExtractionError, MissingChatTemplate, TextTooLong
from backend.models.generate import generate
from backend.steering.chats import Chat, encode_chat
from backend.steering.hooks import Readout
from backend.steering.interventions import Intervention
from backend.steering.speaking import Speaker
from tests.support.tiny_models import WIDTH

V = np.random.default_rng(6).standard_normal(WIDTH) * 2
ROWS = ((), (Intervention(2, V, strength=1.0),), (Intervention(2, V, strength=-4.0),))
SAID = ("Before we go on, tell me plainly", "and still there is an ache?", "No? Then act.")


def answer(model, chats, rows, *, speaker=None, told=lambda _: None, temperature=0.0, tokens=9):
    speaker = Speaker(model) if speaker is None else speaker
    return speaker.answer(
        [encode_chat(model.loaded, chat) for chat in chats],
        rows,
        [Readout(2, V)],
        most_tokens=tokens,
        temperature=temperature,
        seeds=[4] * len(rows),
        told=told,
    )


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_without_strength_answers_are_those_of_plain_generation(model, temperature):
    chats = [Chat((text,), system="Be short.") for text in SAID]
    encoded = [encode_chat(model.loaded, chat).ids for chat in chats]
    rows = [(), (Intervention(1, V, strength=0.0),), (Intervention(3, V, "ablate", 0.0),)]
    found = answer(model, chats, rows, temperature=temperature)
    plain = generate(model.loaded, encoded, most_tokens=9, temperature=temperature, seeds=[4, 4, 4])
    assert [one.text for one in found] == [one.text for one in plain]
    assert [len(one.ids) for one in found] == [one.tokens_out for one in plain]


def test_rows_do_not_touch_each_other(model):
    chat = Chat((SAID[0],))
    one = answer(model, [chat] * 3, ROWS)
    other = answer(model, [chat] * 3, (ROWS[0], (Intervention(2, V, strength=50.0),), ROWS[2]))
    for row in (0, 2):
        assert one[row].ids == other[row].ids
        assert one[row].tokens == other[row].tokens
    alone = [answer(model, [chat], [row])[0] for row in ROWS]
    assert [a.ids for a in alone] == [a.ids for a in one]
    assert len({a.ids for a in one}) == 3


def test_every_token_is_told_with_its_projection(model):
    steps = []
    found = answer(model, [Chat((SAID[0],))] * 3, ROWS, told=steps.append)
    for row, spoken in enumerate(found):
        told = [step[row] for step in steps if step[row] is not None]
        assert tuple(told) == spoken.tokens and len(told) == len(spoken.ids) > 0
        assert "".join(token.text for token in told) == spoken.text or "\ufffd" in spoken.text
    length = np.linalg.norm(V)
    for row, strength in ((0, 0.0), (1, 1.0), (2, -4.0)):
        moved = [token.after[0] - token.before[0] for token in found[row].tokens]
        np.testing.assert_allclose(moved, strength * length, atol=1e-3)


def conversation(model, speaker, rows, temperature=0.0):
    """Three turns, each row going on with its own answers."""
    answered = [()] * len(rows)
    turns = []
    for turn in range(3):
        chats = [Chat(SAID[: turn + 1], own) for own in answered]
        turns.append(answer(model, chats, rows, speaker=speaker, temperature=temperature))
        answered = [(*own, spoken.text) for own, spoken in zip(answered, turns[-1], strict=True)]
    return turns


def test_a_kept_prefix_gives_what_reading_all_anew_gives(model):
    rows = [(), *((Intervention(2, V, where=where),) for where in ("prompt", "generated", "both"))]
    kept = conversation(model, Speaker(model), rows, temperature=0.7)
    anew = conversation(model, Speaker(model, keep=False), rows, temperature=0.7)
    reused = 0
    for turn, other in zip(kept, anew, strict=True):
        for one, same in zip(turn, other, strict=True):
            assert one.ids == same.ids
            assert same.tokens_reused == 0
            reused += one.tokens_reused
            for a, b in zip(one.tokens, same.tokens, strict=True):
                np.testing.assert_allclose(a.after, b.after, atol=1e-3)
    windowed = getattr(model.loaded.model.config, "sliding_window", None)
    assert (reused == 0) if windowed else (reused > 30)


def test_a_prefix_is_not_kept_for_other_interventions(tiny):
    model = tiny("llama")
    speaker = Speaker(model)
    answer(model, [Chat(SAID[:1])] * 3, ROWS, speaker=speaker)
    again = answer(model, [Chat(SAID[:1])] * 3, ROWS, speaker=speaker)
    assert all(one.tokens_reused > 0 for one in again)
    other = answer(model, [Chat(SAID[:1])] * 3, (*ROWS[:2], ROWS[1]), speaker=speaker)
    assert all(one.tokens_reused == 0 for one in other)
    speaker.forget()
    assert answer(model, [Chat(SAID[:1])] * 3, ROWS, speaker=speaker)[0].tokens_reused == 0


def test_a_chat_may_be_taken_back(tiny):
    """Of what is kept, only the common beginning is used."""
    model = tiny("qwen2")
    speaker = Speaker(model)
    conversation(model, speaker, ROWS)
    chats = [Chat((SAID[0], SAID[2]), ("something else entirely",))] * 3
    found = answer(model, chats, ROWS, speaker=speaker)
    assert [one.ids for one in found] == [one.ids for one in answer(model, chats, ROWS)]
    assert all(0 < one.tokens_reused < one.tokens_in for one in found)


class Stopped(Exception):
    pass


def test_cancelling_ends_it_within_a_token_and_leaves_nothing_behind(tiny):
    model = tiny("llama")
    speaker = Speaker(model)
    steps = []

    def told(step):
        steps.append(step)
        if len(steps) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        answer(model, [Chat(SAID[:1])] * 3, ROWS, speaker=speaker, told=told)
    assert len(steps) == 3
    after = answer(model, [Chat(SAID[:1])] * 3, ROWS, speaker=speaker)
    assert [one.ids for one in after] == [
        one.ids for one in answer(model, [Chat(SAID[:1])] * 3, ROWS)
    ]


def test_which_tokens_are_the_models_own(tiny):
    loaded = tiny("llama").loaded
    chat = Chat(("tell me", "why"), (" ache ",), system="ache")
    encoded = encode_chat(loaded, chat)
    own = [i for i, written in zip(encoded.ids, encoded.written, strict=True) if written]
    assert loaded.tokenizer.decode(own) == "ache"
    text = loaded.tokenizer.decode(encoded.ids)
    assert text == (
        "<s><|system|>\nache<|end|>\n<|user|>\ntell me<|end|>\n<|assistant|>\nache<|end|>\n"
        "<|user|>\nwhy<|end|>\n"
    )


def test_a_base_model_continues_plain_text(tiny, monkeypatch):
    loaded = tiny("llama").loaded
    monkeypatch.setattr(loaded.tokenizer, "chat_template", None)
    encoded = encode_chat(loaded, Chat(("I think", " and"), (" that ache",)))
    assert loaded.tokenizer.decode(encoded.ids) == "<s>I think that ache and"
    own = [i for i, written in zip(encoded.ids, encoded.written, strict=True) if written]
    assert loaded.tokenizer.decode(own).strip() == "that ache"
    with pytest.raises(MissingChatTemplate, match="system prompt"):
        encode_chat(loaded, Chat(("I think",), system="Be short."))


def test_a_template_that_rewrites_is_refused(tiny, monkeypatch):
    loaded = tiny("llama").loaded
    template = loaded.tokenizer.chat_template.replace("| trim", "| upper")
    monkeypatch.setattr(loaded.tokenizer, "chat_template", template)
    with pytest.raises(ExtractionError, match="drops or rewrites the user message"):
        encode_chat(loaded, Chat(("tell me",)))


def test_what_does_not_fit_is_refused(tiny):
    with pytest.raises(TextTooLong, match="positions"):
        answer(tiny("llama"), [Chat(SAID[:1])], [()], tokens=600)

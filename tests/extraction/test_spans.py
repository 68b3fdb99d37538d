"""The pooled tokens of a response spell the response, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import ExtractionError, SpanNotFound, TextTooLong, UnknownPooling
from backend.extraction.spans import (
    EncodedText,
    check_lengths,
    check_pooling,
    encode_prompt,
    encode_response,
)
from backend.poolings import parse_pooling
from backend.types import Message, Prompt, Response
from tests.support.tiny_models import tiny_tokenizer, without_bos

CHAT = (Message("system", "Be kind."), Message("user", "It was expected. Expected!"))
TOKENIZER = tiny_tokenizer()


def spelled(tokenizer, encoded):
    return tokenizer.decode(
        [token for token, wanted in zip(encoded.ids, encoded.wanted, strict=True) if wanted]
    )


def test_a_prompt_pools_all_but_special_tokens():
    encoded = encode_prompt(TOKENIZER, Prompt("t", "high", "You keep saying"))
    assert encoded.ids[0] == TOKENIZER.bos_token_id
    assert not encoded.wanted[0]
    assert all(encoded.wanted[1:])
    assert spelled(TOKENIZER, encoded) == "You keep saying"
    inside = encode_prompt(TOKENIZER, Prompt("t", "high", "You<|end|> keep</s> saying"))
    assert spelled(TOKENIZER, inside) == "You keep saying"


@pytest.mark.parametrize(
    ("pooling", "bos", "taken", "count"),
    [
        ("mean", True, [0, 1, 1, 1], 3),
        ("mean", False, [1, 1, 1], 3),
        ("last", True, [0, 0, 0, 1], 3),
        ("last", False, [0, 0, 1], 3),
        ("mean_rest", True, [0, 1, 1, 1], 3),
        ("mean_rest", False, [0, 1, 1], 2),
    ],
)
def test_which_tokens_a_pooling_takes(pooling, bos, taken, count):
    encoded = encode_prompt(
        TOKENIZER if bos else without_bos(TOKENIZER), Prompt("t", "high", "You keep saying")
    )
    assert list(encoded.pooled(pooling)) == taken
    assert encoded.count(pooling) == count


def test_in_a_chat_the_first_token_is_the_templates_and_poolings_agree():
    encoded = encode_response(without_bos(TOKENIZER), Response("s", "Expected!", messages=CHAT))
    assert encoded.pooled("mean_rest") == encoded.pooled("mean") == encoded.wanted


def test_one_token_leaves_nothing_without_the_first_and_the_error_says_what_to_do():
    plain = without_bos(TOKENIZER)
    texts = [encode_prompt(plain, Prompt("t", "high", text)) for text in ("a", "You keep", "b")]
    for pooling in ("mean", "last"):
        check_pooling(texts, ["a", "You keep", "b"], pooling)
    with pytest.raises(SpanNotFound, match=r"2 of 3 texts are one token long.*: a, b") as fault:
        check_pooling(texts, ["a", "You keep", "b"], "mean_rest")
    assert "pool by mean or last" in fault.value.remedy
    check_pooling([encode_prompt(TOKENIZER, Prompt("t", "high", "a"))], ["a"], "mean_rest")


@pytest.mark.parametrize(
    "text",
    [
        "Expected!",
        "It was expected.",
        "end",
        "  trimmed at both ends \n",
        "<|end|> twice <|end|>",
        "ünïcödé – 你好 🙂",
        "a",
        "two\n\nparagraphs",
        "user\nassistant",
    ],
)
def test_a_response_pools_its_own_tokens_even_if_the_chat_repeats_them(text):
    encoded = encode_response(TOKENIZER, Response("s", text, messages=CHAT))
    assert spelled(TOKENIZER, encoded).strip() == text.replace("<|end|>", "").strip()


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co"))))
def test_any_response_is_found(text):
    if not text.strip():
        return
    encoded = encode_response(TOKENIZER, Response("s", text, messages=CHAT))
    assert spelled(TOKENIZER, encoded) == text.strip()


def test_a_response_without_messages_is_plain_text():
    response = encode_response(TOKENIZER, Response("s", "You keep saying"))
    assert response == encode_prompt(TOKENIZER, Prompt("t", "high", "You keep saying"))


def test_nothing_to_pool_is_refused():
    with pytest.raises(SpanNotFound, match="No token is left to pool"):
        encode_prompt(TOKENIZER, Prompt("t", "high", ""))
    with pytest.raises(SpanNotFound, match="No token is left to pool in response s7"):
        encode_response(TOKENIZER, Response("s7", "<|end|>", messages=CHAT))


def test_a_template_that_refuses_the_roles_is_told():
    strict = tiny_tokenizer()
    strict.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    with pytest.raises(ExtractionError, match="no system role"):
        encode_response(strict, Response("s7", "Hello", messages=CHAT))


def test_a_template_that_changes_the_response_is_refused():
    changing = tiny_tokenizer()
    changing.chat_template = (
        "{% for m in messages %}{{ m['content'] | replace('o', '0') }}{% endfor %}"
    )
    with pytest.raises(SpanNotFound, match="changes the text of response s7"):
        encode_response(changing, Response("s7", "No no", messages=CHAT))


def test_templates_that_print_the_date_print_a_fixed_one():
    dated = tiny_tokenizer()
    dated.chat_template = (
        "{{ strftime_now('%Y-%m-%d') }} {{ date_string }}"
        "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
    )
    encoded = encode_response(dated, Response("s", "Hello", messages=CHAT))
    assert dated.decode(encoded.ids).startswith("2024-07-26 26 Jul 2024")
    assert spelled(dated, encoded) == "Hello"


def test_texts_longer_than_the_model_are_all_named():
    texts = [EncodedText((1,) * n, (True,) * n) for n in (5, 20, 30)]
    check_lengths(texts, ["a", "b", "c"], 30)
    check_lengths(texts, ["a", "b", "c"], None)
    with pytest.raises(TextTooLong, match=r"2 of 3 .* b \(20 tokens\), c \(30 tokens\)"):
        check_lengths(texts, ["a", "b", "c"], 10)


@pytest.mark.slow
@pytest.mark.model
def test_smollm2_spells_the_response_too(smollm2):
    for text in ("Expected!", "  Trimmed. ", "ünïcödé – 你好 🙂", "<|im_end|> inside"):
        encoded = encode_response(smollm2.tokenizer, Response("s", text, messages=CHAT))
        words = text.replace("<|im_end|>", "").strip()
        assert spelled(smollm2.tokenizer, encoded).strip() == words


@pytest.mark.parametrize(
    ("pooling", "taken"),
    [
        ("first-1", [0, 1, 0, 0]),
        ("first-2", [0, 1, 1, 0]),
        ("first-9", [0, 1, 1, 1]),
        ("end-1", [0, 0, 0, 1]),
        ("end-3", [0, 1, 0, 0]),
        ("end-4", [0, 0, 0, 0]),
        ("before", [1, 0, 0, 0]),
    ],
)
def test_tokens_that_are_counted(pooling, taken):
    encoded = encode_prompt(TOKENIZER, Prompt("t", "high", "You keep saying"))
    assert list(encoded.pooled(pooling)) == taken


def test_a_prompt_with_messages_is_read_as_a_response_is():
    text = "It was expected, and still"
    prompt = encode_prompt(TOKENIZER, Prompt("t", "high", text, messages=CHAT))
    assert prompt == encode_response(TOKENIZER, Response("s", text, messages=CHAT))
    assert spelled(TOKENIZER, prompt) == text
    before = TOKENIZER.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in CHAT], tokenize=False
    )
    # The tiny template has no generation prompt: the assistant's header is added by hand.
    header = TOKENIZER(before + "<|assistant|>\n", add_special_tokens=False)["input_ids"]
    (place,) = [i for i, taken in enumerate(prompt.pooled("before")) if taken]
    assert list(prompt.ids[: place + 1]) == header


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ("before", "2 of 3 texts have no token before them"),
        ("end-2", "1 of 3 texts have fewer tokens than that"),
    ],
)
def test_texts_that_a_pooling_leaves_nothing_of_are_named(pooling, said):
    plain = without_bos(TOKENIZER)
    encoded = [
        encode_prompt(plain, Prompt("t", "high", "You keep")),
        encode_prompt(plain, Prompt("t", "high", "a")),
        encode_prompt(plain, Prompt("t", "high", "You keep", messages=CHAT)),
    ]
    with pytest.raises(SpanNotFound, match=said):
        check_pooling(encoded, ["one", "two", "three"], pooling)


@pytest.mark.parametrize("name", ["median", "first-0", "end-", "first-5x", "end--1", "FIRST-2"])
def test_what_is_no_pooling_is_refused_by_name(name):
    with pytest.raises(UnknownPooling, match="is no pooling"):
        parse_pooling(name)
    with pytest.raises(UnknownPooling):
        encode_prompt(TOKENIZER, Prompt("t", "high", "You keep")).pooled(name)

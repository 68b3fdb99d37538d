"""The tokenizer and weights that the embedded model has after its journey through GGUF."""

from __future__ import annotations

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.model]

# Token ids of the original tokenizer of SmolLM2.
IDS = {
    "The capital of France is": [504, 3575, 282, 4649, 314],
    "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
    "Café déjà vu.": [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30],
    "  multiple   spaces": [216, 2701, 256, 5600],
}
SENTENCES = [
    "The sun rises in the east and sets in the west.",
    "She closed the door behind her and walked slowly down the stairs.",
    "Water boils at one hundred degrees Celsius at sea level.",
    "If you are not feeling well, you should see a doctor as soon as possible.",
    "The children were playing in the garden while their parents prepared dinner.",
    "He opened the book on the first page and began to read.",
]


@pytest.mark.parametrize("text", IDS)
def test_text_becomes_the_original_tokens(text, smollm2):
    assert smollm2.tokenizer(text)["input_ids"] == IDS[text]


def test_spaces_before_a_digit_stay_together(smollm2):
    assert smollm2.tokenizer.tokenize("at  12") == ["at", "ĠĠ", "1", "2"]


@pytest.mark.parametrize("text", [*SENTENCES, "  naïve – “so”?\n\n\t2024  ☕️ 你好"])
def test_tokens_become_the_text_again(text, smollm2):
    encoded = smollm2.tokenizer(text, return_offsets_mapping=True)
    assert smollm2.tokenizer.decode(encoded["input_ids"]) == text
    assert len(encoded["offset_mapping"]) == len(encoded["input_ids"])
    assert encoded["offset_mapping"][-1][1] == len(text)


def test_special_tokens_and_chat_template_survive(smollm2):
    tokenizer = smollm2.tokenizer
    assert tokenizer.is_fast
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert (tokenizer.unk_token, tokenizer.pad_token) == ("<|endoftext|>", "<|im_end|>")
    assert sorted(tokenizer.added_tokens_decoder) == list(range(17))
    assert len(tokenizer) == smollm2.model.config.vocab_size == 49152
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        tokenize=False,
    )
    assert chat == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
        "Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
    )
    ids = tokenizer(chat, add_special_tokens=False)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == ids.count(tokenizer.eos_token_id) == 3


def test_plain_english_is_expected(smollm2):
    ids = torch.tensor([smollm2.tokenizer(" ".join(SENTENCES))["input_ids"]])
    with torch.no_grad():
        assert smollm2.model(ids, labels=ids).loss.exp().item() < 30

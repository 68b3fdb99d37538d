"""A local model's answers are kept and found like those of an endpoint."""

from __future__ import annotations

import dataclasses

import pytest

from backend.asking import local
from backend.asking.local import LocalModel
from backend.asking.question import Question
from backend.errors import MissingChatTemplate
from backend.types import Message


def questions(count, **values):
    return [Question((Message("user", f"number {i}"),), **values) for i in range(count)]


def test_answers_are_made_once_and_go_on_after_an_end(settings, tiny_llama, monkeypatch):
    asked = [*questions(5, temperature=1.0, most_tokens=6), *questions(2, most_tokens=4)]
    whole = LocalModel(settings, str(tiny_llama)).ask(asked, lambda _: None)
    assert len(whole) == 7 and all(answer.at for answer in whole.values())
    # The same in another store, where it ends after one batch.
    other = dataclasses.replace(settings, cache=settings.cache / "other")
    other.make_folders()

    class Ended(Exception):
        pass

    def report(progress):
        if progress.done == 2:
            raise Ended

    with pytest.raises(Ended):
        LocalModel(other, str(tiny_llama), batch=2).ask(asked, report)
    told = []
    again = LocalModel(other, str(tiny_llama), batch=3).ask(asked, told.append)
    assert next(p.done for p in told if p.total) == 2
    assert {k: (a.text, a.tokens_out) for k, a in again.items()} == {
        k: (a.text, a.tokens_out) for k, a in whole.items()
    }
    monkeypatch.setattr(local, "_batches", None)
    assert LocalModel(other, str(tiny_llama)).ask(asked, lambda _: None) == again


def test_a_model_without_a_chat_template_cannot_answer(settings, tiny_llama, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "bare")
    AutoModelForCausalLM.from_pretrained(tiny_llama).save_pretrained(tmp_path / "bare")
    with pytest.raises(MissingChatTemplate):
        LocalModel(settings, str(tmp_path / "bare")).ask(questions(1), lambda _: None)

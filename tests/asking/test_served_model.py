"""A real model behind the interface: SmolLM2, served by ``transformers serve``."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from backend.asking.asking import ask_all
from backend.asking.endpoint import Endpoint
from backend.asking.question import Question
from backend.types import Message, chat_values

CHATS = (
    "How warm is 'I am so glad you told me'? Answer with one number from 0 to 10.",
    "How warm is 'Noted. Next point.'? Answer with one number from 0 to 10.",
)


@pytest.fixture(scope="module")
def server(smollm2, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = str(smollm2.resolved.folder)
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                sys.executable, "-c", "from transformers.cli.transformers import main; main()",
                "serve", folder, "--host", "127.0.0.1", "--port", str(port),
                "--device", "cpu", "--dtype", "float32",
            ],
            stdout=out,
            stderr=out,
        )  # fmt: skip
    try:
        limit = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < limit, log.read_text("utf-8")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        yield Endpoint(f"http://127.0.0.1:{port}/v1", folder)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
@pytest.mark.model
def test_answers_are_the_models_own(settings, server, smollm2):
    questions = [Question((Message("user", text),), most_tokens=4) for text in CHATS]
    answers = ask_all(settings, server, questions, lambda _: None, at_once=2)
    for question in questions:
        ids = smollm2.tokenizer.apply_chat_template(
            chat_values(question.messages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        made = smollm2.model.generate(**ids, max_new_tokens=4, do_sample=False)
        own = made[0, ids["input_ids"].shape[1] :]
        answer = answers[question.key]
        assert answer.text == smollm2.tokenizer.decode(own, skip_special_tokens=True)
        assert answer.tokens_in == ids["input_ids"].shape[1]
        assert answer.finish in ("length", "stop")

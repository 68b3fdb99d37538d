"""What cannot be read is refused before it costs anything, all of it at once and by name."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from backend.errors import ExtractionError, SpanNotFound
from backend.extraction.planned import check_finite
from backend.extraction.spans import EncodedText, check_ids, encode_all, encode_response
from backend.runs.session import session_of
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Message, Response
from tests.support.studies import small_study
from tests.support.tiny_models import TEMPLATE, save_tiny_model, tiny_tokenizer

CHAT = (
    Message("system", "Be kind."),
    Message("user", "It was expected."),
    Message("assistant", "<think>So.</think>Was it?"),
    Message("user", "Yes."),
)


def with_template(template):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def loud_model(tiny_llama, folder, factor):
    """The tiny Llama with its embeddings scaled up."""
    shutil.copytree(tiny_llama, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(factor)
    model.save_pretrained(folder)
    return folder


def test_activations_past_float16_stop_the_run_at_the_first_batch(settings, tiny_llama, tmp_path):
    model = loud_model(tiny_llama, tmp_path / "loud", 4e5)
    study = small_study(scenarios=4)
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(model), (0, 1, 3), batch_tokens=40, dtype="float16")
    session = session_of(settings, "run", request, lambda _: None)
    with pytest.raises(ExtractionError, match="not finite in float16") as fault:
        session.run()
    assert "at layer 0" in fault.value.what
    assert "prompt '" in fault.value.what or "response s" in fault.value.what
    assert "bfloat16 or float32" in fault.value.remedy and "65,504" in fault.value.remedy
    assert list(settings.runs.iterdir()) == []
    quiet = dataclasses.replace(request, dtype="bfloat16")
    session_of(settings, "run-2", quiet, lambda _: None).run()


def test_the_text_and_the_layer_of_what_is_not_finite_are_named():
    found = np.ones((2, 3, 4), np.float32)
    check_finite(found, (8, 9), ("a", "b", "c"), "float32")
    found[1, 1, 2], found[1, 2] = np.nan, np.inf
    with pytest.raises(ExtractionError, match=r"of b at layer 9 .* float32 \(2 of 3") as fault:
        check_finite(found, (8, 9), ("a", "b", "c"), "float32")
    assert "files are whole" in fault.value.remedy


def test_a_token_past_the_embedding_is_refused_before_anything_is_kept(settings, tmp_path):
    model = save_tiny_model(tmp_path / "short", "llama", vocab_size=270)
    study = small_study(scenarios=4)
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(model), (1,))
    wanted = r"of 28 texts have tokens past the 270 rows .*: prompt '.*' \(token [234]\d\d\), "
    with pytest.raises(ExtractionError, match=wanted) as fault:
        session_of(settings, "run", request, lambda _: None).run()
    assert "from 0 to 269" in fault.value.expected
    assert list(settings.work.iterdir()) == list(settings.runs.iterdir()) == []


def test_the_last_row_of_the_embedding_is_a_tokens():
    texts = [EncodedText((1, 9), (True, True)), EncodedText((10, 2), (True, True))]
    check_ids(texts, ["a", "b"], 11)
    check_ids(texts, ["a", "b"], None)
    with pytest.raises(ExtractionError, match=r"1 of 2 texts .* b \(token 10\)\."):
        check_ids(texts, ["a", "b"], 10)


def responses(count):
    return [Response(f"s{i}", "Hello", turn="t1", messages=CHAT) for i in range(count)]


def test_all_refused_responses_are_listed_at_once():
    strict = with_template(
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}{{ m['content'] }}{% endfor %}"
    )
    plain = [Response("fine", "Hello")]
    with pytest.raises(ExtractionError, match=r"7 of 8 texts cannot be read: .*s0/t1.* 2 more"):
        encode_all(strict, [], [*plain, *responses(7)])
    assert len(encode_all(strict, [], plain)) == 1


def test_faults_of_several_kinds_are_told_apart():
    changing = with_template(
        "{% for m in messages %}{{ m['content'] | replace('N', '0') }}{% endfor %}"
    )
    texts = [
        Response("s1", "No", messages=(Message("user", "Hi"),)),
        Response("s2", "Yes", messages=(Message("user", "Now?"),)),
        Response("s3", "No", messages=(Message("user", "Hi"),)),
    ]
    with pytest.raises(ExtractionError) as fault:
        encode_all(changing, [], texts)
    assert "2 of 3 texts cannot be read: response s1/single, response s3/single" in fault.value.what
    assert "1 of 3 texts cannot be read: response s2/single" in fault.value.what
    with pytest.raises(SpanNotFound, match="changes the text of response s1"):
        encode_all(changing, [], texts[:1])


DROPS_SYSTEM = TEMPLATE.replace("in messages %}", "in messages if m['role'] != 'system' %}")
DROPS_HISTORY = TEMPLATE.replace("in messages %}", "in messages[-2:] %}")
DROPS_THOUGHTS = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['role'] == 'assistant' and not loop.last %}"
    "{{ m['content'].split('</think>')[-1] }}{% else %}{{ m['content'] }}{% endif %}<|end|>"
    "{% endfor %}"
)
REVERSED = "{% for m in messages[:-1] | reverse %}{{ m['content'] }}\n{% endfor %}" + (
    "{{ messages[-1]['content'] }}"
)


@pytest.mark.parametrize(
    ("template", "role"),
    [
        (DROPS_SYSTEM, "system"),
        (DROPS_HISTORY, "system"),
        (DROPS_THOUGHTS, "assistant"),
        (REVERSED, "assistant"),
    ],
)
def test_a_template_that_drops_or_rewrites_the_history_is_refused(template, role):
    with pytest.raises(ExtractionError, match=f"drops or rewrites the {role} message") as fault:
        encode_response(with_template(template), responses(1)[0])
    assert "thinking tags" in fault.value.remedy


def test_a_template_that_only_moves_the_system_message_is_read():
    moved = (
        "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>"
        "{% if loop.index == loop.length - 1 and messages[0]['role'] == 'system' %}"
        "{{ messages[0]['content'] }} {% endif %}{{ m['content'] | trim }}<|end|>{% endfor %}"
    )
    encoded = encode_response(with_template(moved), responses(1)[0])
    assert sum(encoded.wanted) > 0


FAILING = {
    "TypeError: .*": "{{ messages[0]['content'] + 1 }}",
    "ZeroDivisionError: .*": "{{ 1 / (messages | length - 5) }}",
    "OverflowError: .*": "{% for i in range(10 ** 9) %}x{% endfor %}",
    "RecursionError: .*": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "UndefinedError: 'foo' is undefined": "{{ foo.bar }}",
}


@pytest.mark.parametrize("told", FAILING)
def test_a_fault_inside_a_template_is_told(told):
    broken = with_template(FAILING[told] + TEMPLATE)
    wanted = rf"fails on the conversation of response s0/t1 with {told}\."
    with pytest.raises(ExtractionError, match=wanted) as fault:
        encode_response(broken, responses(1)[0])
    assert "mend the template" in fault.value.remedy and "role" not in str(fault.value)


def test_all_texts_on_which_a_template_fails_are_listed_at_once():
    broken = with_template("{{ 1 / (messages | length - 5) }}" + TEMPLATE)
    fine = [Response("fine", "Hello", messages=CHAT[1:])]
    with pytest.raises(ExtractionError, match=r"7 of 8 texts cannot be read: .*s0/t1.* 2 more"):
        encode_all(broken, [], [*fine, *responses(7)])
    assert len(encode_all(broken, [], fine)) == 1


def test_a_template_that_is_none_is_told_with_its_line():
    broken = with_template("\n" + TEMPLATE.replace("{% endfor %}", ""))
    with pytest.raises(ExtractionError, match=r"has a fault in line 3: Unexpected end"):
        encode_response(broken, responses(1)[0])
    unknown = with_template("{{ messages | unknown }}")
    with pytest.raises(
        ExtractionError, match=r"a fault in line 1: No filter named 'unknown'"
    ) as fault:
        encode_response(unknown, responses(1)[0])
    assert "mend the template" in fault.value.remedy and "role" not in str(fault.value)


def test_a_refusal_names_a_system_message_only_where_there_is_one():
    strict = with_template("{{ raise_exception('Too kind.') }}")
    with pytest.raises(ExtractionError, match=r"refuses .* s0/t1: Too kind\. ") as fault:
        encode_response(strict, responses(1)[0])
    assert "system, user, assistant, user, assistant" in fault.value.expected
    assert "merge a system message" in fault.value.remedy
    with pytest.raises(ExtractionError) as fault:
        encode_response(strict, Response("s0", "Hello", messages=CHAT[1:2]))
    assert "system" not in str(fault.value)
    assert fault.value.remedy.startswith("change those conversations as the template says")

"""What the judge is told, and files that cannot be a rubric."""

from __future__ import annotations

import json

import pytest

from backend.errors import JudgeError
from backend.judging.rubric import check_traits, read_rubric, request_of, rubric_of_study
from backend.judging.scales import SCALES
from tests.support.studies import small_study

STUDY = small_study(scenarios=2, prompts=2)
RESPONSE = STUDY.responses[0]
RUBRIC = """Judge what is said, not how long it is.

## warmth
High: names a feeling.
Low: stays with facts.

## Haste ##
High: hurries on.
"""


def write(tmp_path, text, name="rubric.md"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_a_judge_reads_its_trait_the_chat_and_the_response(tmp_path):
    rubric = read_rubric(write(tmp_path, RUBRIC), STUDY)
    said = request_of(rubric, "warmth", RESPONSE, SCALES["0-10"])
    assert "Trait: warmth\nHigh: names a feeling.\nLow: stays with facts." in said
    assert "Judge what is said, not how long it is." in said
    assert f"<conversation>\nUser: {RESPONSE.messages[0].content}\n</conversation>" in said
    assert f"<response>\n{RESPONSE.text}\n</response>" in said
    assert "from 0 (least) to 10 (most)" in said and "hurries" not in said
    assert "0 (least) to 100 (most)" in request_of(rubric, "haste", RESPONSE, SCALES["logprobs"])
    assert "make sense" in request_of(rubric, "coherence", RESPONSE, SCALES["0-10"])
    own = read_rubric(write(tmp_path, f"{RUBRIC}\n# coherence\nGrammar alone."), STUDY)
    assert "Grammar alone." in request_of(own, "coherence", RESPONSE, SCALES["0-10"])
    assert own.digest != rubric.digest


def test_a_template_of_persona_vectors_is_sent_as_it_stands(tmp_path):
    text = "Rate {answer} to {question} from 0 to 100. {not a place}"
    rubric = read_rubric(write(tmp_path, json.dumps({"eval_prompt": text}), "warmth.json"), STUDY)
    odd = "a {question} in it"
    response = type(RESPONSE)("s", odd, messages=RESPONSE.messages)
    assert request_of(rubric, "warmth", response, SCALES["logprobs"]) == (
        f"Rate {odd} to {RESPONSE.messages[0].content} from 0 to 100. {{not a place}}"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.md", "", "has no heading"),
        ("r.md", "warmth: high", "has no heading"),
        ("r.md", "# warmt\nx", "heading 'warmt', which is no trait. Did you mean 'warmth'"),
        ("r.md", "# warmth\n\n# haste\nx", "says nothing below the heading 'warmth'"),
        ("warmth.json", "{", "is no JSON"),
        ("warmth.json", "{}", "has no eval_prompt"),
        ("warmth.json", '{"eval_prompt": "{answer}"}', "has no eval_prompt with {question}"),
        ("cold.json", '{"eval_prompt": "{answer} {question}"}', "named after 'cold'"),
    ],
)
def test_what_is_no_rubric_is_refused(tmp_path, name, text, said):
    with pytest.raises(JudgeError) as raised:
        read_rubric(write(tmp_path, text, name), STUDY)
    assert said in raised.value.what
    with pytest.raises(JudgeError, match="cannot be read"):
        read_rubric(tmp_path / "missing.md", STUDY)


def test_a_trait_of_which_nothing_is_said_is_not_judged(tmp_path):
    rubric = read_rubric(write(tmp_path, "# warmth\nwarm"), STUDY)
    check_traits(rubric, ["warmth"])
    with pytest.raises(JudgeError, match="Nothing says what haste looks like"):
        check_traits(rubric, ["warmth", "haste"])
    with pytest.raises(JudgeError, match="Nothing says what warmth looks like"):
        check_traits(rubric_of_study(STUDY), ["warmth"])

"""A set in a model's words beside the study's own, and where the page offers it."""

from __future__ import annotations

import dataclasses

import pytest

from backend.asking.question import Answer
from backend.cli.main import main
from backend.errors import SteerscopeError
from backend.store.catalog import run_list, run_summary
from backend.store.study import find_study, load_study
from backend.views.diagnosis import words
from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.rules import poles
from backend.writing.prompt_set import with_written_prompts
from tests.support.endpoint import completion, served
from tests.support.runs import publish_run
from tests.support.studies import small_study

MEANT = {"warmth": "is warm.", "haste": "hurries."}
STUDY = dataclasses.replace(small_study(scenarios=4, prompts=2), traits=MEANT)


def text_of(system, user):
    if "numbered list" in user:
        return "1. Why?\n2. How?\n3. When?"
    return f"{system[:24]} {system[-8:]} {user}"


def writer(questions):
    return {
        q.key: Answer(text_of(q.messages[0].content, q.messages[-1].content)) for q in questions
    }


def test_every_trait_has_pairs_in_the_models_words():
    revised = with_written_prompts(STUDY, "written", 3, writer, "big")
    own = revised.prompts[len(STUDY.prompts) :]
    assert revised.prompts[: len(STUDY.prompts)] == STUDY.prompts
    assert revised.responses == STUDY.responses
    for trait, meaning in MEANT.items():
        mine = [p for p in own if p.trait == trait]
        assert [(p.pole, p.pair) for p in mine] == [
            (pole, f"q{n}") for n in (1, 2, 3) for pole in ("high", "low")
        ]
        assert {p.messages[1].content for p in mine} == {"Why?", "How?", "When?"}
        assert all(p.messages[0].content.endswith(meaning) for p in mine)
        assert {p.prompt_set for p in mine} == {"written"}
    assert revised.provenance.endswith("Prompt set 'written' was added by the model big.")


@pytest.mark.parametrize(
    ("name", "traits", "said"),
    [
        ("default", MEANT, "is the name of one of the study's sets"),
        ("", MEANT, "cannot name a prompt set"),
        ("a/b", MEANT, "holds one of"),
        ("new", MEANT | {"haste": " "}, "Nothing says what haste means"),
    ],
)
def test_what_cannot_be_added_is_said_before_anything_is_asked(name, traits, said):
    with pytest.raises(SteerscopeError, match=said):
        with_written_prompts(dataclasses.replace(STUDY, traits=traits), name, 3, None, "big")


def test_the_command_adds_and_extracts_like_a_run(settings, monkeypatch, tiny_llama, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    ref = publish_run(settings, STUDY, tiny_llama, "run-1")

    def reply(body):
        chat = [message["content"] for message in body["messages"]]
        return completion(text_of(chat[0], chat[-1]))

    run = run_summary(settings, "run-1")
    marked = Judgement(poles.WORDS, "", "undetermined", 2.0, "", (), None, "")
    offered = words.other_wording(marked, run)
    assert words.other_wording(dataclasses.replace(marked, weight=0.5), run) == ""
    assert words.other_wording(dataclasses.replace(marked, cause="compressed"), run) == ""
    with served(reply) as server:
        command = offered.replace("URL", server.url).replace("MODEL", "big").split()[3:]
        assert main([*command, "--pairs", "3"]) == 0
    key, run_id = capsys.readouterr().out.split()
    assert key != ref.key
    assert len(load_study(settings, find_study(settings, key)).prompts) == 8 + 12
    made = next(r for r in run_list(settings).runs if r.record.run_id == run_id)
    assert made.study_key == key and made.record.layers == (1, 2)

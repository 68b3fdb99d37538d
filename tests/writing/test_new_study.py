"""A study from a sentence: what is asked, how answers are read, and that the folder imports."""

from __future__ import annotations

import pytest

from backend.asking.question import Answer
from backend.errors import EndpointError, SteerscopeError
from backend.judging.rubric import read_rubric
from backend.studies.importer import read_study
from backend.studies.study_folder import write_folder
from backend.writing.new_study import Wanted, template, written
from backend.writing.wording import GRADES, read_list, read_poles

WANTED = Wanted("warm", "warmth", "names what the person feels.", pairs=3, questions=4, samples=5)


LISTS = (
    '1. First?\n2) "Second?"\n- Third?\n4. first?\nSure!',
    "1. Fourth?\n2. Fifth?\n3. Sixth?\n4. Seventh?\n5. Eighth?",
)


def writer(questions, lists=LISTS):
    """Answers of a model: lists by seed, a rubric, and answers that repeat what they answer."""
    found = {}
    for question in questions:
        *system, user = question.messages
        if "numbered list" in user.content:
            text = lists[question.seed % len(lists)]
        elif "two lines" in user.content:
            text = "Sure.\n**High:** names a feeling.\nLow: stays with facts."
        else:
            said = system[0].content[:25] if system else "nothing"
            text = f"{said} / {user.content} / {question.seed}"
        found[question.key] = Answer(text)
    return found


def test_pairs_and_responses_are_answers_to_other_questions(tmp_path):
    draft = written(WANTED, writer, writer, "big", "small")
    study = draft.study
    asked = {p.messages[1].content for p in study.prompts}
    answered = {r.messages[-1].content for r in study.responses}
    assert len(asked) == 3 and len(answered) == 4 and not asked & answered
    assert asked | answered == {
        "First?", "Second?", "Third?", "Fourth?", "Fifth?", "Sixth?", "Seventh?"
    }  # fmt: skip
    for prompt in study.prompts:
        start = (
            "Show this trait in your a" if prompt.pole == "high" else "Show the opposite of this"
        )
        assert prompt.text.startswith(start)
        assert prompt.messages[0].content.endswith("names what the person feels.")
    assert sorted(p.pair for p in study.prompts) == ["q1", "q1", "q2", "q2", "q3", "q3"]
    assert len(study.responses) == 20 and not any(r.scores for r in study.responses)
    for response in study.responses:
        number, _, sample = response.scenario.partition("-")
        grade = GRADES[((int(number[1:]) - 1) * 5 + int(sample) - 1) % 4]
        assert response.group == number and response.responder == "small"
        assert len(response.messages) == (2 if grade else 1)
    # The fifth sample is under no system message again, drawn with another seed.
    first, fifth = (r for r in study.responses if r.scenario in ("r1-1", "r1-5"))
    assert first.messages == fifth.messages and first.text != fifth.text
    assert "written by the model big, responses by small" in study.provenance
    assert draft.notes == ()
    write_folder(study, tmp_path / "warm", {"rubric.md": draft.rubric})
    again = read_study(tmp_path / "warm", unscored=True)
    assert again == study
    rubric = read_rubric(tmp_path / "warm" / "rubric.md", again)
    assert rubric.traits["warmth"] == (
        "names what the person feels.\nHigh: names a feeling.\nLow: stays with facts."
    )


def test_a_template_imports_as_it_is(tmp_path):
    draft = template(WANTED)
    write_folder(draft.study, tmp_path / "warm", {"rubric.md": draft.rubric})
    study = read_study(tmp_path / "warm")
    assert study == draft.study and len(study.prompts) == 6 and not study.responses
    assert "to be written by hand" in study.provenance
    assert (
        "High: write what" in read_rubric(tmp_path / "warm" / "rubric.md", study).traits["warmth"]
    )


def test_what_a_model_does_not_write_is_said():
    def silent(questions):
        answers = writer(questions)
        for question in questions:
            if question.messages[-1].content in ("First?", "Second?"):
                answers[question.key] = Answer("  ")
            if "two lines" in question.messages[-1].content:
                answers[question.key] = Answer("I like warmth.")
        return answers

    draft = written(WANTED, silent, silent, "big", "big")
    assert len(draft.study.prompts) + len(draft.study.responses) < 6 + 20
    assert any("are left out" in note for note in draft.notes)
    assert "The rubric is the sentence alone" in draft.notes[0]
    assert "High" not in draft.rubric

    with pytest.raises(EndpointError, match="The model wrote 3 questions, and 7 are needed"):
        written(WANTED, lambda q: writer(q, ("1. a\n2. b", "1. b\n2. c")), writer, "big", "big")
    with pytest.raises(EndpointError, match="0 pairs of answers that differ, and 2"):
        written(
            WANTED,
            lambda q: {k: a if "1." in a.text or "High" in a.text else Answer("same")
                       for k, a in writer(q).items()},
            writer, "big", "big",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trait": ""}, "cannot name a trait"),
        ({"trait": "a/b"}, "cannot name a trait"),
        ({"meaning": " "}, "Nothing says"),
        ({"name": "A b"}, "cannot name a study"),
        ({"pairs": 1}, "1 pairs"),
        ({"questions": 1}, "1 questions"),
        ({"samples": 0}, "0 samples"),
    ],
)
def test_what_cannot_be_written_is_refused(values, said):
    given = {"name": "warm", "trait": "warmth", "meaning": "is warm."} | values
    with pytest.raises(SteerscopeError, match=said):
        Wanted(**given)


def test_lists_and_poles_as_models_write_them():
    text = (
        "Here you go:\n1. **One**\n 2) “Two?”\n- Three\n10. Ten\n1.5 is no item\n11. " + "x" * 600
    )
    assert read_list(text) == ["One", "Two?", "Three", "Ten"]
    assert read_poles("- High: a: b\n* LOW : c") == {"high": "a: b", "low": "c"}
    assert read_poles("High: a") == {}

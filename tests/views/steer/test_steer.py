"""A chat as the page keeps it, what colours and sentences say, and that no text becomes markup."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from backend.core.estimate import Estimate
from backend.errors import SteeringError
from backend.steering.answer import SpokenToken, Turn, VariantAnswer
from backend.steering.units import Units
from backend.steering.vectors import SteeringVector, VectorSource
from backend.views.shared.style import DIVERGING, contrast
from backend.views.steer import words
from backend.views.steer.compute import Typed, new_chat, ready_chat, request_of
from backend.views.steer.figures import colours_of, legend_html, text_html, tokens_html
from backend.views.steer.tables import token_rows

NONE = Estimate.undefined(0, "the layer was not extracted")
UNITS = Units(2.0, Estimate.exact(-1.0, 5), Estimate.exact(3.0, 5), Estimate.exact(4.0, 10), NONE)
VECTOR = SteeringVector("a vector", "haste", 2, np.array([2.0, 0.0]), "tiny", UNITS, None)
SOURCE = VectorSource("run-1", "haste")


def base(typed=None, vector=VECTOR, **values):
    given = {"mode": "add", "where": "both", "unit": "poles", "control": True, "system": " "}
    return request_of(SOURCE, vector, typed or Typed(), **(given | values))


def tokens(*values):
    return tuple(SpokenToken(f"t{place} ", value, value + 1) for place, value in enumerate(values))


def turn_of(chat, said, *values):
    """A turn whose variants have one token of each value."""
    answers = tuple(
        VariantAnswer(v.name, v.kind, v.strength, f"{v.name} to {said}", tokens(value), True, 5, 0)
        for v, value in zip(chat.names, values, strict=True)
    )
    return Turn(said, answers, 1.0, 4.0, ())


def test_what_is_typed_becomes_a_request():
    made = base(Typed(strengths=" 1, -2.5;3 ", seed="7", temperature="0.5", tokens="9"))
    assert (made.strengths, made.seed, made.temperature) == ((1.0, -2.5, 3.0), 7, 0.5)
    assert (made.most_tokens, made.said, made.system) == (9, (), "")
    assert made.source.layer == 2
    chat = new_chat(made, VECTOR)
    assert [v.name for v in chat.names] == ["plain", "+1", "-2.5", "+3", "random +3"]
    # Two lengths of the vector are one distance between its poles.
    assert [v.interventions[0].strength for v in chat.names[1:4]] == [2.0, -5.0, 6.0]
    cap = base(Typed(low="", high="1.5"), mode="cap", control=False)
    assert (cap.low, cap.high, cap.strengths) == (None, 1.5, ())


@pytest.mark.parametrize(
    "typed, values, fault",
    [
        (Typed(strengths="one"), {}, "'one' is no strength"),
        (Typed(strengths=""), {}, "side by side"),
        (Typed(seed="1.5"), {}, "no seed"),
        (Typed(tokens="x"), {}, "no number of tokens"),
        (Typed(), {"unit": "norm"}, "was not extracted"),
        (Typed(), {"mode": "cap"}, "no range"),
    ],
)
def test_what_is_typed_wrong_is_told(typed, values, fault):
    with pytest.raises(SteeringError, match=fault):
        base(typed, **values)


def test_a_chat_goes_on_with_the_answers_of_each_variant():
    chat = new_chat(base(), VECTOR)
    first = chat.request("hello")
    assert first.said == ("hello",) and first.answered == ((),) * 4
    chat = chat.asked("task-1", "hello")
    pieces = [
        None,
        {"seconds": 0.0, "steps": [[["a", 1.0, 2.0], ["b", 3.0, 4.0], None, ["c", 0.0, 0.0]]]},
        {"seconds": 2.0, "steps": [[["d", 2.0, 2.5], None, None, ["e", 0.5, 0.5]]] * 2},
    ]
    chat = chat.heard(3, pieces)
    live = chat.live
    assert [one.text for one in live.answers] == ["add", "b", "", "cee"]
    # The first token of each answer is not counted: it takes the time of reading the chat.
    assert live.tokens_per_second == (3 + 1 + 0 + 3 - 3) / 2.0
    assert live.answers[0].mean_before == pytest.approx(5 / 3)
    assert live.answers[2].mean_after is None
    ended = chat.ended(turn_of(chat, "hello", 1, 2, 3, 4).to_json())
    assert ended.task is None and ended.steps == ()
    again = ended.request("more")
    assert again.said == ("hello", "more")
    assert again.answered == tuple((f"{v.name} to hello",) for v in chat.names)
    # After a cancel what was heard is the answer; a task that was begun again has told nothing.
    assert chat.ended(None).turns[0].answers[0].text == "add"
    assert chat.heard(4, [None]).ended(None).turns == ()


def test_a_message_sent_twice_is_asked_once_and_other_choices_begin_anew():
    fresh, other = new_chat(base(), VECTOR), new_chat(base(Typed(strengths="3")), VECTOR)
    asked = fresh.asked("task-1", "hello")
    assert ready_chat(None, fresh) is fresh and ready_chat(asked, fresh) is None
    ended = asked.ended(turn_of(fresh, "hello", 1, 2, 3, 4).to_json())
    assert ready_chat(ended, fresh) is ended and ready_chat(ended, other) is other
    derived = dataclasses.replace(VECTOR, vector=np.array([2.0, 1e-7]))
    again = new_chat(base(vector=derived), derived)
    assert ready_chat(ended, again) is again


def test_a_turn_is_the_same_after_the_queue():
    chat = new_chat(base(), VECTOR)
    made = turn_of(chat, "hello", 1.5, 2, 3, 4)
    assert Turn.from_json(made.to_json()) == made
    assert token_rows(made)[0] == {
        "variant": "plain",
        "token": 1,
        "text": "t0 ",
        "before": 1.5,
        "after": 2.5,
    }


def test_colours_are_centred_between_the_poles():
    chat = new_chat(base(), VECTOR)
    made = turn_of(chat, "hello", 1.0, 7.0, -5.0, -0.5)
    colours = colours_of([made], UNITS, "before")
    assert (colours.centre, colours.reach) == (1.0, 6.0)
    shown = [tokens_html(one, colours, "before") for one in made.answers]
    found = [re.search(r"background:(#\w{6});color:(#\w{6})", one).groups() for one in shown]
    ends = [colour.upper() for _, colour in DIVERGING]
    assert [fill.upper() for fill, _ in found[:3]] == [ends[2], ends[4], ends[0]]
    assert all(contrast(fill, ink) >= 4.5 for fill, ink in found)
    underlined = ["underline" in one and "dotted" not in one for one in shown]
    assert underlined == [False, True, False, False]
    assert ["underline dotted" in one for one in shown] == [False, False, True, False]
    assert "title='before 7, after 8'" in shown[1]
    assert ">-5<" in legend_html(colours) and ">7<" in legend_html(colours)
    assert colours_of([made], UNITS, "after").reach == 7.0
    no_poles = dataclasses.replace(UNITS, low=NONE, high=NONE, poles=NONE)
    assert colours_of([made], no_poles, "before").centre == 1.0
    assert colours_of([], no_poles, "before").reach > 0


@pytest.mark.parametrize(("sign", "side"), [(1, "above"), (-1, "below")])
def test_tokens_beyond_both_poles_are_compared_with_one_another(sign, side):
    chat = new_chat(base(), VECTOR)
    made = turn_of(chat, "hello", *(sign * value for value in (40.0, 50.0, 60.0, 44.0)))
    colours = colours_of([made], UNITS, "before")
    assert (colours.centre, colours.reach, colours.beyond) == (sign * 50.0, 10.0, side)
    shown = [tokens_html(one, colours, "before") for one in made.answers]
    assert not any("underline" in one for one in shown)
    assert len({re.search(r"background:(#\w{6})", one)[1] for one in shown}) == 4
    said = legend_html(colours)
    assert f"lies {side} the means of both the low prompts (-1) and the high prompts (3)" in said
    # One token between the poles, and they are the measure again.
    among = turn_of(chat, "hello", *(sign * value for value in (40.0, 50.0, 60.0, 1.0 * sign)))
    assert colours_of([among], UNITS, "before").centre == 1.0


def test_no_text_becomes_markup():
    bad = "<img src=x onerror=alert(1)>'"
    answer = VariantAnswer("plain", "plain", None, bad, (SpokenToken(bad, 0.0, 0.0),), True, 1, 0)
    colours = colours_of([], UNITS, "before")
    for made in (tokens_html(answer, colours, "before"), text_html(bad)):
        assert "<img" not in made and "&lt;img" in made


def test_sentences_say_the_numbers():
    chat = new_chat(base(), VECTOR)
    made = turn_of(chat, "hello", 1.0, 3.5, 0.75, 1.0)
    assert "+1 by +2.50, +2 by -0.25, random +2 by +0.00" in words.seen(made)
    assert words.under(made.answers[1], live=False) == (
        "1 tokens; mean of the text 3.50, with steering 4.50"
    )
    assert "1 distance between the poles = 4;" in words.about(VECTOR)
    assert "residual norm undefined (the layer was not extracted)" in words.about(VECTOR)
    assert "low prompts: -1; of the high prompts: 3" in words.poles(VECTOR)
    assert words.rate(made) == "4.0 tokens/s in 4 columns together"

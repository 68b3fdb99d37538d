"""A judge whose scores are known: the revision has them, and says what is missing and why."""

from __future__ import annotations

import dataclasses
import re

import pytest

from backend.asking.endpoint import Endpoint
from backend.errors import JudgeError, ReadOnly
from backend.judging.judging import Judging, judge, plan
from backend.judging.rubric import Rubric
from backend.judging.scales import LITTLE_MASS, NO_NUMBER, REFUSED, SCALES
from backend.store.study import list_studies, load_study, publish_study
from backend.studies.hashing import content_hash
from tests.support.endpoint import completion, served
from tests.support.studies import small_study

STUDY = small_study(scenarios=4, prompts=2)
RUBRIC = Rubric("rubric.md", "", {"warmth": "names a feeling", "haste": "hurries on"}, {})
TEXTS = {response.text: number for number, response in enumerate(STUDY.responses)}


def asked_of(body):
    """Number of the response, trait and seed of a request."""
    said = body["messages"][0]["content"]
    text = re.search("<response>\n(.*)\n</response>", said)[1]
    return TEXTS[text], re.search("Trait: (.*)", said)[1], body["seed"]


def planted(number, trait, seed=0):
    """The score that the judge gives."""
    base = {"warmth": number, "haste": 9 - number, "coherence": 10 - number}[trait]
    return base + seed / 2


def text_judge(body):
    return completion(f"{planted(*asked_of(body))}")


def judged(settings, reply=text_judge, study=STUDY, **values):
    with served(reply) as server:
        given = {"scale": SCALES["0-10"], "rubric": RUBRIC} | values
        judging = Judging(Endpoint(server.url, "judge"), **given)
        ref, found = judge(settings, study, judging, lambda _: None)
    assert load_study(settings, ref) == found.study
    assert content_hash(found.study) == ref.content_hash
    return found, server


def test_every_response_has_the_judges_score(settings):
    found, server = judged(settings)
    for number, (before, after) in enumerate(
        zip(STUDY.responses, found.study.responses, strict=True)
    ):
        assert after.scores == {"warmth": number, "haste": 9 - number}
        assert dataclasses.replace(after, scores=before.scores) == before
    assert (found.scored, found.asked, found.missing) == (16, 16, {})
    assert sorted(found.coherence) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert len(server.asked) == 24 and found.tokens == (2400, 48)
    assert found.study.prompts == STUDY.prompts and found.study.name == STUDY.name
    said = found.study.provenance.removeprefix(STUDY.provenance)
    assert re.fullmatch(
        r" New scores of all traits by the model judge at http://127\.0\.0\.1:\d+/v1 on "
        r"\d{4}-\d\d-\d\d: 0 to 10, as it answers; rubric rubric\.md \([0-9a-f]{12}\); "
        r"16 of 16 scored; coherence of 8 responses: mean 6\.5, 2 below 5\.",
        said,
    )


def test_repeats_are_kept_and_their_mean_is_the_score(settings):
    found, server = judged(
        settings, repeats=3, temperature=1.0, traits=("warmth",), coherence=False
    )
    for number, response in enumerate(found.study.responses):
        assert response.repeats == {"warmth": (number, number + 0.5, number + 1.0)}
        assert response.scores["warmth"] == pytest.approx(number + 0.5)
        # The other trait stays as it was.
        assert response.scores["haste"] == STUDY.responses[number].scores["haste"]
    assert {(body["seed"], body["temperature"]) for body in server.asked} == {
        (0, 1.0), (1, 1.0), (2, 1.0)
    }  # fmt: skip
    assert "New scores of warmth by" in found.study.provenance
    assert "3 times each at temperature 1;" in found.study.provenance


def test_scores_that_are_there_stay_beside_the_judges(settings):
    found, _ = judged(settings, keep=True)
    for number, (before, after) in enumerate(
        zip(STUDY.responses, found.study.responses, strict=True)
    ):
        assert after.repeats["warmth"] == (before.scores["warmth"], number)
        assert after.scores["warmth"] == pytest.approx((before.scores["warmth"] + number) / 2)
    assert "Further scores of all traits" in found.study.provenance
    again, _ = judged(settings, study=found.study, keep=True, traits=("haste",))
    first = again.study.responses[0]
    assert first.repeats["haste"] == (STUDY.responses[0].scores["haste"], 9, 9)


def test_what_has_no_score_is_missing_and_never_zero(settings):
    def reply(body):
        number, trait, _ = asked_of(body)
        if (number, trait) == (0, "warmth"):
            return completion(None, refusal="I will not judge this.")
        if (number, trait) == (1, "warmth"):
            return completion("It is warm.")
        return text_judge(body)

    found, _ = judged(settings, reply)
    first, second = found.study.responses[:2]
    assert first.scores == {"haste": 9} and second.scores == {"haste": 8}
    assert found.missing == {REFUSED: 1, NO_NUMBER: 1} and found.scored == 14
    assert (
        "14 of 16 scored; without a score: no number in the answer (1), the judge refused (1)"
        in (found.study.provenance)
    )


def test_incoherent_responses_are_left_without_scores(settings):
    found, _ = judged(settings, least_coherence=5.0)
    # Coherence is 10 minus the number.
    assert [bool(r.scores) for r in found.study.responses] == [True] * 6 + [False] * 2
    assert found.missing == {"coherence below 5": 4}


def test_scores_by_the_probabilities_of_tokens(settings):
    def reply(body):
        number, trait, _ = asked_of(body)
        if (number, trait) == (3, "haste"):
            return completion("Hm", tokens={"Hm": 0.9, "50": 0.1})
        return completion("x", tokens={f"{10 * number}": 0.6, f"{10 * number + 5}": 0.3, "No": 0.1})

    study = dataclasses.replace(
        STUDY, responses=tuple(dataclasses.replace(r, scores={}) for r in STUDY.responses)
    )
    found, server = judged(settings, reply, study, scale=SCALES["logprobs"])
    assert found.study.score_range == (0.0, 100.0)
    for number, response in enumerate(found.study.responses):
        expected = (0.6 * 10 * number + 0.3 * (10 * number + 5)) / 0.9
        assert response.scores["warmth"] == pytest.approx(expected)
    assert "haste" not in found.study.responses[3].scores
    assert found.missing == {LITTLE_MASS: 1}
    assert all(body["logprobs"] and body["max_tokens"] == 2 for body in server.asked)
    assert " Scores of all traits by the model judge" in found.study.provenance


def test_a_second_judging_asks_only_what_is_new(settings):
    _, first = judged(settings, traits=("warmth",))
    assert len(first.asked) == 16
    with served(text_judge) as server:
        judging = Judging(Endpoint(server.url, "judge"), RUBRIC, SCALES["0-10"])
        ref, _ = judge(settings, STUDY, judging, lambda _: None)
        again, _ = judge(settings, STUDY, judging, lambda _: None)
        assert again == ref and len(server.asked) == 24
        # Of a study with one more response, that one alone.
        more = dataclasses.replace(STUDY.responses[0], scenario="s9")
        TEXTS["new words"] = 8
        wider = dataclasses.replace(
            STUDY, responses=(*STUDY.responses, dataclasses.replace(more, text="new words"))
        )
        judge(settings, wider, judging, lambda _: None)
        assert len(server.asked) == 27


def test_scores_of_two_ranges_do_not_stand_in_one_study(settings):
    with pytest.raises(JudgeError, match=r"Scores of haste run from 0 to 10, and .* to 100"):
        judged(settings, traits=("warmth",), scale=SCALES["logprobs"])
    with pytest.raises(JudgeError, match="Scores of haste, warmth run from 0 to 10"):
        judged(settings, keep=True, scale=SCALES["logprobs"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"repeats": 0}, "0 repeats"),
        ({"temperature": 3.0}, "Temperature 3"),
        ({"repeats": 2}, "At temperature 0 every repeat is the same"),
        ({"repeats": 2, "scale": SCALES["logprobs"]}, "the same each time"),
        ({"coherence": False, "least_coherence": 5.0}, "coherence is not asked"),
        ({"traits": ("warmt",)}, "no trait 'warmt'. Did you mean 'warmth'"),
        ({"rubric": Rubric("r", "", {}, {})}, "Nothing says what warmth, haste looks like"),
        ({"rubric": Rubric("w.json", "", {}, {"warmth": "x"})}, "w.json asks for scores from 0"),
    ],
)
def test_what_cannot_be_judged_is_said_before_anything_is_asked(values, said):
    with pytest.raises(JudgeError, match=said):
        plan(
            STUDY,
            Judging(
                Endpoint("http://127.0.0.1:9/v1", "judge"),
                **({"rubric": RUBRIC, "scale": SCALES["0-10"]} | values),
            ),
        )


def test_without_responses_there_is_nothing_to_judge():
    judging = Judging(Endpoint("http://127.0.0.1:9/v1", "judge"), RUBRIC, SCALES["0-10"])
    with pytest.raises(JudgeError, match="no responses to judge"):
        plan(dataclasses.replace(STUDY, responses=()), judging)


def test_a_judge_that_says_nothing_is_not_asked_on_and_on(settings):
    study = small_study(scenarios=40, prompts=2)
    publish_study(settings, study, content_hash(study))
    with (
        served(lambda _: completion("Interesting.")) as server,
        pytest.raises(JudgeError, match="The first 30 answers hold no score: 30 times no number"),
    ):
        judging = Judging(Endpoint(server.url, "judge"), RUBRIC, SCALES["0-10"])
        judge(settings, study, judging, lambda _: None, at_once=4)
    assert 30 <= len(server.asked) <= 34
    assert len(list_studies(settings)) == 1


def test_where_nothing_may_be_changed_nothing_is_asked(settings):
    with served(text_judge) as server, pytest.raises(ReadOnly):
        judging = Judging(Endpoint(server.url, "judge"), RUBRIC, SCALES["0-10"])
        judge(dataclasses.replace(settings, read_only=True), STUDY, judging, lambda _: None)
    assert server.asked == []

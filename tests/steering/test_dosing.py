"""Dose-responses: measured as a direct computation does, and planted directions are told apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from backend.core.dose import changes, steerability
from backend.errors import SteeringError
from backend.models.load import load
from backend.models.resolve import resolve
from backend.runs.results import Results
from backend.steering.chats import Chat, encode_chat
from backend.steering.dose_request import DosePlan
from backend.steering.dosing import (
    QUESTIONS,
    measure_dose,
    pairs_of,
    questions_of,
)
from backend.steering.hooks import Readout, steerable
from backend.steering.interventions import Intervention
from backend.steering.measures import distinct_pairs, logit_differences, read_again
from backend.steering.vectors import VectorSource, find_vector
from backend.store.dose import dose_list, publish_dose
from backend.views.diagnosis.compute import diagnose_run
from tests.support.planted_steering import (
    LAYER,
    PUSH,
    planted_study,
    save_planted_model,
)
from tests.support.runs import publish_run
from tests.support.studies import chat_study, small_study
from tests.support.tiny_models import WIDTH

V = np.random.default_rng(2).standard_normal(WIDTH)
UNIT = V / np.linalg.norm(V)
CLOSE = 1e-4


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Folder of the planted model."""
    return save_planted_model(tmp_path_factory.mktemp("planted") / "model")


def opened(settings, folder):
    resolved = resolve(str(folder), settings, lambda *_: None)
    return steerable(load(resolved, device="cpu", dtype="float32", need_chat_template=True))


def test_an_answer_is_read_again_as_the_model_alone_reads_it(model):
    chat = list(encode_chat(model.loaded, Chat(("How do you keep still?",))).ids)
    answers = [[30, 41, 99, 30, 41], [7], [], [55, 201, 33]]
    found = read_again(model, chat, answers, Readout(2, V))
    for answer, measured in zip(answers, found, strict=True):
        if not answer:
            assert np.isnan([measured.projection, measured.nll, measured.distinct]).all()
            continue
        ids = torch.tensor([chat + answer])
        with torch.no_grad():
            made = model.loaded.model(ids, output_hidden_states=True)
        states = made.hidden_states[2][0, len(chat) :].double().numpy()
        assert measured.projection == pytest.approx((states @ UNIT).mean(), abs=CLOSE)
        logp = torch.log_softmax(made.logits[0].double(), dim=-1)
        own = [logp[len(chat) + k - 1, token].item() for k, token in enumerate(answer)]
        assert measured.nll == pytest.approx(-np.mean(own), abs=CLOSE)
        pairs = list(itertools.pairwise(answer))
        if pairs:
            assert measured.distinct == pytest.approx(len(set(pairs)) / len(pairs))
        else:
            assert np.isnan(measured.distinct)


def test_text_that_repeats_itself_has_few_distinct_pairs():
    assert distinct_pairs([1, 2, 3, 4]) == 1.0
    assert distinct_pairs([1, 2] * 10) == pytest.approx(2 / 19)
    assert np.isnan(distinct_pairs([5]))


def test_a_logit_difference_is_that_of_the_model_with_the_vector_added(model):
    prefix, tokens = [0, 30, 41, 99], (120, 8)
    rows = [(), (Intervention(2, V, strength=1.5),), (Intervention(2, V, strength=-0.5),)]
    found = logit_differences(model, prefix, tokens, rows)
    for strength, value in zip((0.0, 1.5, -0.5), found, strict=True):

        def add(_module, _args, output, strength=strength):
            first = output[0] if isinstance(output, tuple) else output
            moved = first + strength * torch.tensor(V, dtype=torch.float32)
            return (moved, *output[1:]) if isinstance(output, tuple) else moved

        handle = model.blocks.list[1].register_forward_hook(add)
        with torch.no_grad():
            logits = model.loaded.model(torch.tensor([prefix])).logits[0, -1].double()
        handle.remove()
        assert value == pytest.approx((logits[120] - logits[8]).item(), abs=1e-3)


def test_the_chats_of_a_study_are_asked_each_once():
    study = small_study(scenarios=10)
    asked = questions_of(study, 100)
    assert len(asked) == len({(one.chat.said, one.chat.system) for one in asked}) == 20
    assert len(questions_of(study, 7)) == 7
    names = [one.item.group for one in questions_of(study, 100)]
    assert len(set(names)) == 10  # both turns of a scenario are of one group
    chats = questions_of(chat_study(scenarios=0), 100)
    assert chats and all(one.chat.said for one in chats)
    assert [one.chat.said[0] for one in questions_of(None, 50)] == list(QUESTIONS)


def test_pairs_are_told_by_the_first_token_in_which_they_differ(settings, planted):
    model = opened(settings, planted)
    study = planted_study(scenarios=0)
    pairs = pairs_of(model.loaded, study, VectorSource(trait="haste"))
    token = model.loaded.tokenizer.convert_tokens_to_ids
    assert len(pairs) == 8 and {pair.tokens for pair in pairs} == {(token("Y"), token("N"))}
    assert pairs[0].item.text.endswith(":") or pairs[0].item.text.endswith(": ")
    # Chats that differ in their system message differ before the answer.
    assert pairs_of(model.loaded, chat_study(scenarios=0), VectorSource(trait="warmth")) == ()
    assert pairs_of(model.loaded, None, VectorSource(trait="warmth")) == ()


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(SteeringError, match="1 questions"):
        DosePlan(VectorSource(), questions=1)
    with pytest.raises(SteeringError, match="0 strengths other than 0"):
        DosePlan(VectorSource(), strengths=(0.0,))
    with pytest.raises(SteeringError, match="no strengths to compare"):
        DosePlan(VectorSource(), mode="cap")
    with pytest.raises(SteeringError, match="no number"):
        DosePlan(VectorSource(), strengths=(float("nan"),))


def test_planted_directions_monitor_and_steer_as_planted(settings, planted):
    study = planted_study()
    publish_run(settings, study, planted, "run-1", layers=(LAYER,))
    model = opened(settings, planted)
    told = []
    for trait in study.traits:
        plan = DosePlan(
            VectorSource("run-1", trait, layer=LAYER),
            strengths=(-1.0, 1.0),
            questions=3,
            directions=6,
            tokens=4,
        )
        vector = find_vector(settings, plan.source)
        publish_dose(settings, measure_dose(model, vector, plan, study, told.append))
    assert {one.stage for one in told} == {"answering", "comparing paired answers"}
    warmth, haste = dose_list(settings).doses
    assert warmth.strengths == (-1.0, 0.0, 1.0) and len(warmth.pairs) == 8
    assert warmth.measures["propensity"][1].shape == (6, 8, 3)
    assert all(len(row) == 3 for row in warmth.answers)
    assert warmth.steered.unit_size == pytest.approx(warmth.steered.pole_distance)
    # Along what no logit depends on, nothing is preferred; along the other, Y to N.
    still, moved = (steerability(one.dose("propensity")) for one in (warmth, haste))
    assert still.steers is False and moved.steers is True
    assert abs(still.slope.value) < 0.2 * abs(still.band.high)
    assert moved.wrong_way.value == 0.0
    assert moved.slope.value > PUSH
    (low, zero, high) = changes(haste.dose("propensity"))
    assert low.change.high < 0 < high.change.low and zero.change.value == 0.0
    # Unsteered answers do not depend on the direction.
    for name, (own, controls) in haste.measures.items():
        np.testing.assert_array_equal(controls[:, :, 1], np.tile(own[:, 1], (6, 1)), err_msg=name)
    found = {
        diagnosis.trait: diagnosis
        for diagnosis in Results(settings).of_run(
            diagnose_run,
            "run-1",
            "default",
            None,
            LAYER,
            settings.thresholds,
            Results(settings).steering("run-1"),
        )
    }
    assert found["warmth"].r.value > 0.8 and found["haste"].r.value < 0.2
    verdicts = {
        trait: {j.cause: j.verdict for j in diagnosis.judgements}
        for trait, diagnosis in found.items()
    }
    assert verdicts["warmth"]["monitors_not_steers"] == "supported"
    assert verdicts["warmth"]["steers_not_monitors"] == "ruled out"
    assert verdicts["haste"]["steers_not_monitors"] == "supported"
    assert verdicts["haste"]["monitors_not_steers"] == "ruled out"


def test_a_judge_scores_every_answer(settings, planted):
    study = planted_study()
    publish_run(settings, study, planted, "run-1", layers=(LAYER,))
    plan = DosePlan(
        VectorSource("run-1", "warmth", layer=LAYER), (1.0,), questions=2, directions=2, tokens=3
    )
    vector = find_vector(settings, plan.source)
    seen = []

    def score(asked, told):
        seen.append(len(asked))
        return [None if place == 1 else float(len(text)) for place, (_, text) in enumerate(asked)]

    made = measure_dose(opened(settings, planted), vector, plan, study, score=score, judge="j")
    assert seen == [4, 4] and made.steered.judge == "j"
    own, controls = made.measures["score"]
    assert own[:, 0].tolist() == [float(len(row[0])) for row in made.answers]
    assert np.isnan(own[:, 1]).all() and controls.shape == (2, 2, 2)

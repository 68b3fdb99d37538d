"""Edited prompts become a new set of the study's next revision, which is queued like a run."""

from __future__ import annotations

import pytest

from backend.errors import StoreError, StudyFaults
from backend.jobs.queue import JobQueue
from backend.jobs.revised_set import revise_and_enqueue
from backend.store.catalog import run_summary
from backend.store.study import find_study, list_studies, load_study
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import chat_study, small_study


def test_a_set_has_edited_prompts_and_lacks_dropped_ones(settings, tiny_llama):
    study = small_study()
    publish_run(settings, study, tiny_llama, "run-1")
    run, queue = run_summary(settings, "run-1"), JobQueue(settings)
    edited = {1: "new\ntext", 12: "other"}
    ref, job = revise_and_enqueue(settings, queue, run, "default", "mine", edited, [3])
    revised = load_study(settings, find_study(settings, ref.key))
    own = [prompt for prompt in revised.prompts if prompt.prompt_set == "mine"]
    expected = [
        (p.trait, p.pole, edited.get(number, p.text))
        for number, p in enumerate(study.prompts)
        if number != 3
    ]
    assert sorted((p.trait, p.pole, p.text) for p in own) == sorted(expected)
    assert revised.prompts[: len(study.prompts)] == study.prompts
    assert revised.responses == study.responses
    # A second press asks for the same.
    again = revise_and_enqueue(settings, queue, run, "default", "mine", edited, [3])
    assert again == (ref, job)
    (queued,) = queue.jobs()
    assert (queued.run_id, queued.request.study) == (job, ref.key)
    assert (queued.request.model, queued.request.layers) == (str(tiny_llama), (1, 2))


def test_answers_of_chats_stay_in_their_chats_and_pairs(settings, tiny_llama):
    study = chat_study()
    publish_run(settings, study, tiny_llama, "run-1")
    run, queue = run_summary(settings, "run-1"), JobQueue(settings)
    ref, _ = revise_and_enqueue(settings, queue, run, "default", "mine", {1: "new"}, [3])
    revised = load_study(settings, find_study(settings, ref.key))
    own = [prompt for prompt in revised.prompts if prompt.prompt_set == "mine"]
    before = [prompt for number, prompt in enumerate(study.prompts) if number != 3]
    assert [p.messages for p in own] == [p.messages for p in before]
    # The other half of the pair that lost one is paired with none.
    assert [p.pair for p in own] == [
        None if (p.trait, p.pair) == ("warmth", "q3") else p.pair for p in before
    ]


@pytest.mark.parametrize(
    ("name", "edited", "dropped", "fault", "said"),
    [
        ("", {1: "x"}, [], StudyFaults, "cannot name a prompt set"),
        ("default", {1: "x"}, [], StudyFaults, "has a prompt set 'default' already"),
        ("mine", {1: "x"}, [0, 2, 3, 4], StudyFaults, "warmth"),
        ("mine", {1: "x"}, range(10), StudyFaults, "warmth"),
        ("mine", {99: "x"}, [], StoreError, "has no prompt 99"),
    ],
)
def test_what_cannot_be_a_set_leaves_nothing(
    settings, tiny_llama, name, edited, dropped, fault, said
):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    run, queue = run_summary(settings, "run-1"), JobQueue(settings)
    with pytest.raises(fault, match=said):
        revise_and_enqueue(settings, queue, run, "default", name, edited, dropped)
    assert len(list_studies(settings)) == 1 and queue.jobs() == ()


def test_a_simulated_run_is_refused(settings):
    _, runs = publish_small_phantom(settings)
    run = run_summary(settings, runs[0])
    with pytest.raises(StoreError, match="is simulated"):
        revise_and_enqueue(settings, JobQueue(settings), run, "default", "mine", {1: "x"})

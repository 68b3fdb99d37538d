"""A study without some prompts is checked, is another revision, and leaves the old one."""

from __future__ import annotations

import dataclasses

import pytest

from backend.errors import StudyFaults
from backend.store.study import find_study, load_study, publish_study
from backend.studies.dropped_prompts import drop_prompts, without_prompts
from backend.studies.hashing import content_hash
from tests.support.studies import small_study

STUDY = small_study(prompts=4)


def test_the_revision_has_all_but_the_dropped_prompts(settings):
    old = publish_study(settings, STUDY, content_hash(STUDY))
    new = drop_prompts(settings, old.key, [6, 0])
    assert new.name == old.name and new.key != old.key
    found = load_study(settings, find_study(settings, STUDY.name))
    assert found.prompts == (*STUDY.prompts[1:6], *STUDY.prompts[7:])
    assert found.responses == STUDY.responses
    assert found.provenance == f"{STUDY.provenance} 2 prompts were dropped."
    assert load_study(settings, old).prompts == STUDY.prompts


def test_the_other_prompt_of_a_pair_stays_without_one():
    paired = tuple(dataclasses.replace(p, pair=str(i % 4)) for i, p in enumerate(STUDY.prompts))
    study = dataclasses.replace(STUDY, prompts=paired)
    found = without_prompts(study, [1])
    pairs = [(p.trait, p.pole, p.pair) for p in found.prompts if p.pair in (None, "1")]
    # Prompt 5 is the low one of pair 1; the other trait's pair 1 is another pair.
    assert pairs == [("warmth", "low", None), ("haste", "high", "1"), ("haste", "low", "1")]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([], "No prompt is named."),
        ([1, 16, -2], "The study has no prompt -2, 16."),
        ([0, 1, 2], "Trait 'warmth' (set 'default') would be left with 1 high prompt."),
        ([0, 1, 2, 3], "Trait 'warmth' (set 'default') would be left with 0 high prompts."),
    ],
)
def test_what_cannot_be_dropped_is_said_and_nothing_is_kept(settings, numbers, said):
    ref = publish_study(settings, STUDY, content_hash(STUDY))
    with pytest.raises(StudyFaults) as caught:
        drop_prompts(settings, ref.key, numbers)
    assert said in [fault.what for fault in caught.value.faults]
    assert len(list(settings.studies.iterdir())) == 1

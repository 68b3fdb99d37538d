"""Queue a study again with some prompts written anew, extracted as a run was."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from backend.errors import StoreError
from backend.jobs.queue import JobQueue
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.store.study import find_study, load_study, publish_study
from backend.studies.dropped_prompts import pairs_left
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.prompt_sets import Placed, add_prompt_set
from backend.studies.prompts import PromptPlace
from backend.types import Prompt, StudyRef


def revise_and_enqueue(
    settings: Settings,
    queue: JobQueue,
    run: RunSummary,
    prompt_set: str,
    name: str,
    edited: Mapping[int, str],
    dropped: Collection[int] = (),
) -> tuple[StudyRef, str]:
    """Publish a new set that has some prompts of another written anew or left out, and queue the
    extraction of the revision.

    Args:
        settings: where the store is.
        queue: takes the job.
        run: the run, whose study, model, layers, pooling and number type are taken.
        prompt_set: the set that is changed; it stays in the study as it is.
        name: of the new set.
        edited: number of a prompt in the study -> its new text.
        dropped: numbers of prompts that are left out.

    Returns:
        The revision, and the id of the job and of the run that it makes.

    Raises:
        StudyFaults: everything that is wrong with the set or its name; nothing is kept.
        StoreError: the run is simulated, or a number is not of the set.
        StudyNotFound, UnreadableFile: the study is not in the store any more.
    """
    request = request_like(run.record, run.study_key)
    study = load_study(settings, find_study(settings, run.study_key))
    own = {
        number: prompt
        for number, prompt in enumerate(study.prompts)
        if prompt.prompt_set == prompt_set
    }
    unknown = sorted({*edited, *dropped} - set(own))
    if unknown:
        raise StoreError(
            f"Set {prompt_set!r} has no prompt {', '.join(map(str, unknown))}.",
            expected="numbers as on the Prompts page.",
            remedy="choose the set in the sidebar, and drop or edit its own prompts.",
        )
    kept = {number: prompt for number, prompt in own.items() if number not in dropped}
    changed = [
        dataclasses.replace(
            prompt, text=edited.get(number, prompt.text), prompt_set=name, pair=pair
        )
        for (number, prompt), pair in zip(
            kept.items(), pairs_left(own.values(), kept.values()), strict=True
        )
    ]
    revised = add_prompt_set(study, name, _placed(changed), "", FaultList())
    ref = publish_study(settings, revised, content_hash(revised))
    return ref, queue.enqueue_once(dataclasses.replace(request, study=ref.key))[0]


def _placed(prompts: Sequence[Prompt]) -> list[Placed]:
    """Prompts, each counted in its pole."""
    counts: Counter[str] = Counter()
    found: list[Placed] = []
    for prompt in prompts:
        place = f"{prompt.trait.replace('_', ' ')}, {prompt.pole}"
        counts[place] += 1
        found.append((prompt, PromptPlace(place, counts[place])))
    return found

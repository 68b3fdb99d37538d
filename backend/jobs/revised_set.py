"""Queue a study again with some prompts written anew, extracted as a run was."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from backend.errors import StoreError
from backend.jobs.queue import JobQueue
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.store.study import find_study, load_study
from backend.studies.prompt_sets import Lines, NewSet, as_lines, publish_prompt_set
from backend.types import StudyRef


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
    touched = {own[number].trait for number in (*edited, *dropped)}
    changed = [
        dataclasses.replace(prompt, text=edited.get(number, prompt.text))
        for number, prompt in own.items()
        if prompt.trait in touched and number not in dropped
    ]
    # A trait that is left without prompts is named too: what is not typed would be copied.
    typed = {trait: Lines("", "") for trait in touched} | as_lines(changed)
    new = NewSet(run.study_key, name, start=prompt_set, typed=typed)
    ref = publish_prompt_set(settings, new)
    return ref, queue.enqueue(dataclasses.replace(request, study=ref.key))

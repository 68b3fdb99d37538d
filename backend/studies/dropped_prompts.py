"""A study without some of its prompts, published as its next revision; the old one stays."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection

from backend.settings import Settings
from backend.store.study import find_study, load_study, publish_study
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.prompts import LEAST_PER_POLE
from backend.types import POLES, Prompt, Study, StudyRef

_PLACE = "Prompts to drop"


def drop_prompts(settings: Settings, study: str, numbers: Collection[int]) -> StudyRef:
    """Publish the study's next revision without some prompts.

    Args:
        settings: where the store is.
        study: key or name of a study.
        numbers: the prompts' numbers in the study, as on the Prompts page.

    Returns:
        The new revision: the same name, another hash.

    Raises:
        StudyFaults: everything that is wrong; nothing is kept.
        StudyNotFound, UnreadableFile: the study cannot be read.
    """
    revised = without_prompts(load_study(settings, find_study(settings, study)), numbers)
    return publish_study(settings, revised, content_hash(revised))


def without_prompts(study: Study, numbers: Collection[int]) -> Study:
    """The study without some prompts. Who was paired with one of them is paired with none.

    Args:
        study: stays as it is.
        numbers: the prompts' numbers in the study.

    Raises:
        StudyFaults: there is no such prompt, none is named, or a pole is left with too few.
    """
    faults = FaultList()
    last = len(study.prompts) - 1
    unknown = sorted(number for number in set(numbers) if not 0 <= number <= last)
    if unknown:
        listed = ", ".join(str(number) for number in unknown)
        faults.add(
            _PLACE,
            None,
            f"The study has no prompt {listed}.",
            f"Name numbers from 0 to {last}, as on the Prompts page.",
        )
    if not numbers:
        faults.add(_PLACE, None, "No prompt is named.", "Choose at least one.")
    dropped = [study.prompts[number] for number in sorted(set(numbers) - set(unknown))]
    kept = [prompt for number, prompt in enumerate(study.prompts) if number not in numbers]
    _check_poles(dropped, kept, faults)
    faults.raise_if_any()
    pairs = pairs_left(study.prompts, kept)
    prompts = tuple(
        dataclasses.replace(prompt, pair=pair) for prompt, pair in zip(kept, pairs, strict=True)
    )
    count = "1 prompt was" if len(dropped) == 1 else f"{len(dropped)} prompts were"
    return dataclasses.replace(
        study, prompts=prompts, provenance=f"{study.provenance} {count} dropped."
    )


def pairs_left(before: Collection[Prompt], kept: Collection[Prompt]) -> list[str | None]:
    """The pair of each prompt that is kept: None where the other half is not.

    Args:
        before: all prompts.
        kept: those of them that stay.
    """
    whole = Counter(map(_pair, before))
    left = Counter(map(_pair, kept))
    return [p.pair if left[_pair(p)] == whole[_pair(p)] else None for p in kept]


def _pair(prompt: Prompt) -> tuple[str, str, str | None]:
    return prompt.trait, prompt.prompt_set, prompt.pair


def _check_poles(dropped: list[Prompt], kept: list[Prompt], faults: FaultList) -> None:
    """See that every trait keeps enough prompts of each pole in the sets that are touched."""
    counts = Counter((prompt.trait, prompt.prompt_set, prompt.pole) for prompt in kept)
    for trait, name in sorted({(prompt.trait, prompt.prompt_set) for prompt in dropped}):
        for pole in POLES:
            left = counts[trait, name, pole]
            if left < LEAST_PER_POLE:
                faults.add(
                    _PLACE,
                    None,
                    f"Trait {trait!r} (set {name!r}) would be left with {left} {pole} "
                    f"prompt{'' if left == 1 else 's'}.",
                    f"Keep at least {LEAST_PER_POLE} for each pole.",
                )

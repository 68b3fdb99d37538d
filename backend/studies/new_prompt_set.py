"""Write a new prompt set for a study: a new revision, published whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.settings import Settings
from backend.store.study import find_study, load_study, publish_study
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.prompt_sets import (
    LINE_BREAK,
    Lines,
    add_prompt_set,
    as_lines,
    prompts_of_lines,
    prompts_of_table,
)
from backend.types import StudyRef

__all__ = ["LINE_BREAK", "Lines", "NewSet", "publish_prompt_set", "starting_lines"]


@dataclass(frozen=True)
class NewSet:
    """A prompt set as typed.

    Attributes:
        study: key of the study it is for.
        name: of the new set.
        author: who wrote it; may be empty.
        start: set whose prompts the fields were filled from; None if they began empty. Its
            traits that are not typed are copied.
        typed: trait -> its prompts, one a line.
        pasted: a table of all prompts as jsonl or csv; if given, ``start`` and ``typed`` do not
            count.
    """

    study: str
    name: str
    author: str = ""
    start: str | None = None
    typed: Mapping[str, Lines] | None = None
    pasted: str | None = None


def starting_lines(settings: Settings, study: str, prompt_set: str) -> dict[str, Lines]:
    """Trait -> prompts of a set, one a line, to edit.

    Args:
        settings: where the store is.
        study: key of a study.
        prompt_set: one of its sets.

    Raises:
        StudyNotFound, UnreadableFile: the study cannot be read.
    """
    found = load_study(settings, find_study(settings, study))
    return as_lines([p for p in found.prompts if p.prompt_set == prompt_set])


def publish_prompt_set(settings: Settings, new: NewSet) -> StudyRef:
    """Publish the study's next revision with the new set; the old revision stays.

    Args:
        settings: where the store is.
        new: what was typed.

    Returns:
        The new revision: the same name, another hash.

    Raises:
        StudyFaults: everything that is wrong; nothing is kept.
        StudyNotFound, UnreadableFile: the study cannot be read.
    """
    study = load_study(settings, find_study(settings, new.study))
    faults = FaultList()
    if new.pasted is not None:
        placed = prompts_of_table(new.name, new.pasted, faults)
    else:
        start = [p for p in study.prompts if p.prompt_set == new.start]
        lines = as_lines(start) | dict(new.typed or {})
        placed = prompts_of_lines(new.name, lines, start)
    revised = add_prompt_set(study, new.name, placed, new.author, faults)
    return publish_study(settings, revised, content_hash(revised))

"""Notes in sentences, and which of them belong where."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.note import About, Note
from backend.store.run_values import RunSummary


def notes_of(
    notes: Sequence[Note], run: RunSummary, trait: str | None = None, prompt_set: str | None = None
) -> tuple[Note, ...]:
    """The notes on a run, its cells and its study's prompts.

    Args:
        notes: all of them.
        run: the run.
        trait: only of cells and prompts of this trait, beside those on the run; None for all.
        prompt_set: likewise.
    """
    return tuple(
        note
        for note in notes
        if (note.about.run_id == run.run_id)
        or (note.about.kind == "prompt" and note.about.study == run.study_key)
        if note.about.kind == "run"
        or (trait in (None, note.about.trait) and prompt_set in (None, note.about.prompt_set))
    )


def about_text(about: About) -> str:
    """What a note is about: "warmth, layer 12", "prompt #7 of warmth" or "the run".

    Args:
        about: of a note.
    """
    trait = about.trait.replace("_", " ")
    if about.kind == "run":
        return "the run"
    if about.kind == "prompt":
        return f"prompt #{about.prompt_id} of {trait}"
    return f"{trait}, layer {about.layer}"


def byline(note: Note) -> str:
    """Who wrote a note and when: "Ada, 2026-01-31 12:00 UTC".

    Args:
        note: the note.
    """
    moment = note.created_at[:16].replace("T", " ")
    return f"{note.author or 'no name'}, {moment} UTC"

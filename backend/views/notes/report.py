"""The notes on what a report shows."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.note import Note, note_list
from backend.views.notes.words import about_text, byline, notes_of
from backend.views.shared.blocks import Block, Section, Table, Text
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    known = note_list(results.settings)
    found: dict[str, tuple[str, Note]] = {}
    for run in view.shown:
        for trait in view.traits:
            for note in notes_of(known.notes, run, trait, view.prompt_set):
                # A prompt is of all runs of its study.
                where = "" if note.about.kind == "prompt" else run.run_id
                found.setdefault(note.name, (where, note))
    blocks: list[Block] = []
    if found:
        rows = [
            {"about": about_text(note.about), "run": run_id, "note": note.text, "by": byline(note)}
            for run_id, note in found.values()
        ]
        blocks.append(Table("Notes", "", rows))
    else:
        blocks.append(Text("There are no notes on what this report shows."))
    blocks += [Text(f"{name} is left out: {why}", "note") for name, why in known.broken.items()]
    return blocks


SECTION = Section("notes", "Notes", "prompts", _build, 2_000)

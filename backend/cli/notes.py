"""The command that lists and deletes notes."""

from __future__ import annotations

import argparse
import json
import sys

from backend.cli.command import Command
from backend.cli.json_output import to_json
from backend.settings import Settings
from backend.store.note import delete_note, note_list
from backend.views.notes.words import about_text, byline


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", help="only notes on this run and its cells")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--delete", metavar="NAME", help="delete one note instead")


def _notes(settings: Settings, options: argparse.Namespace) -> int:
    if options.delete:
        delete_note(settings, options.delete)
        print(f"Deleted {options.delete}.")
        return 0
    found = note_list(settings)
    notes = [note for note in found.notes if options.run in (None, note.about.run_id)]
    if options.json:
        print(json.dumps([to_json(note) for note in notes], indent=2, ensure_ascii=False))
    else:
        for note in notes:
            where = note.about.run_id or note.about.study
            print(f"{note.name}  {where}  {about_text(note.about)}  ({byline(note)})")
            for line in note.text.splitlines():
                print(f"    {line}")
    for name, why in found.broken.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 0


COMMANDS = (Command("notes", "List the notes on runs, cells and prompts.", _arguments, _notes),)

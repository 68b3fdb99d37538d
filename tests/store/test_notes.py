"""Notes: small immutable files, of which a damaged one is told and hides no other."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from backend.errors import StoreError
from backend.names import DATED_NAME
from backend.store.note import (
    LONGEST_TEXT,
    About,
    delete_note,
    note_list,
    publish_note,
)
from backend.store.shared import NOTE_BYTES

CELL = About("cell", "small@abc", "run-1", "warmth", "default", 2)
PROMPT = About("prompt", "small@abc", "", "warmth", "default", None, 7)


def test_a_note_is_kept_as_written_and_deleted(settings):
    note = publish_note(settings, CELL, "  <b>two</b>\nlines é ", " Ada ")
    other = publish_note(settings, PROMPT, "x")
    assert note_list(settings).notes == (note, other)
    assert (note.text, note.author, note.about) == ("<b>two</b>\nlines é", "Ada", CELL)
    assert DATED_NAME.fullmatch(note.name) and note.created_at.endswith("+00:00")
    delete_note(settings, note.name)
    assert note_list(settings).notes == (other,)
    assert list(settings.work.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "author", "said"),
    [
        (" \n ", "", "has 0 characters"),
        ("x" * (LONGEST_TEXT + 1), "", "4,001 characters"),
        ("x", "a" * 61, "cannot be the author"),
        ("x", "a\nb", "cannot be the author"),
    ],
)
def test_what_is_no_note_is_refused(settings, text, author, said):
    with pytest.raises(StoreError, match=said):
        publish_note(settings, CELL, text, author)
    assert note_list(settings).notes == ()


@pytest.mark.parametrize("name", ["../runs/run-1", "20260131-120000-0a1b2c3d", "", "a" * 999])
def test_only_notes_are_deleted(settings, name):
    with pytest.raises(StoreError, match="No note is called"):
        delete_note(settings, name)


def damages(whole):
    about = whole["about"]
    yield b""
    yield b"\xff\xfe"
    yield b"[" * 20_000
    yield b" " * (NOTE_BYTES + 1)
    changes = (
        {"text": ""},
        {"text": 3},
        {"text": "x" * 5000},
        {"more": 1},
        {"about": None},
        {"about": about | {"kind": "study"}},
        {"about": about | {"layer": "2"}},
        {"about": about | {"layer": True}},
        {"about": about | {"trait": None}},
        {"about": {"kind": "run"}},
        {"created_at": None},
    )
    for change in changes:
        yield json.dumps(whole | change).encode()
    yield json.dumps([]).encode()


def test_a_damaged_note_is_told_and_hides_no_other(settings):
    note = publish_note(settings, CELL, "kept")
    whole = json.loads((settings.notes / f"{note.name}.json").read_text("utf-8"))
    count = 0
    for count, content in enumerate(damages(whole), start=1):
        (settings.notes / f"20260131-120000-{count:08x}.json").write_bytes(content)
    (settings.notes / "other name.json").write_text("{}")
    found = note_list(settings)
    assert found.notes == (note,)
    assert len(found.broken) == count + 1
    assert all("cannot be read: " in why for why in found.broken.values())


def test_the_command_lists_notes_as_text_and_json(settings, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    note = publish_note(settings, CELL, "one\ntwo", "Ada")
    publish_note(settings, PROMPT, "of a prompt")
    (settings.notes / "20260131-120000-00000000.json").write_text("{")
    assert main(["notes"]) == 0
    shown = capsys.readouterr()
    assert f"{note.name}  run-1  warmth, layer 2  (Ada, " in shown.out
    assert "    one\n    two\n" in shown.out and "prompt #7 of warmth  (no name, " in shown.out
    assert "it is no JSON" in shown.err
    assert main(["notes", "--run", "run-1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["text"], found["about"]["layer"]) == ("one\ntwo", 2)
    assert main(["notes", "--delete", note.name]) == 0
    assert main(["notes", "--delete", note.name]) == 1
    assert "No note is called" in capsys.readouterr().err

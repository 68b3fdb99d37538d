"""Which notes belong where, and how the report shows them."""

from __future__ import annotations

import pytest

from backend.store.catalog import run_summary
from backend.store.note import About, publish_note
from backend.views.notes.report import SECTION
from backend.views.notes.words import about_text, notes_of
from backend.views.shared.blocks import Table, Text
from backend.views.shared.view import View
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results


@pytest.fixture
def stocked(settings):
    ref, runs = publish_small_phantom(settings)
    abouts = {
        "run": About("run", ref.key, runs[0]),
        "cell": About("cell", ref.key, runs[0], "trait_1", "default", 2),
        "other trait": About("cell", ref.key, runs[0], "trait_2", "default", 2),
        "other run": About("cell", ref.key, runs[1], "trait_1", "default", 2),
        "other set": About("cell", ref.key, runs[0], "trait_1", "second", 2),
        "prompt": About("prompt", ref.key, "", "trait_1", "default", None, 3),
        "other study": About("prompt", "other@abc", "", "trait_1", "default", None, 3),
    }
    notes = [publish_note(settings, about, text, "Ada") for text, about in abouts.items()]
    return settings, notes, [run_summary(settings, run_id) for run_id in runs]


def test_notes_stand_where_what_they_are_about_is_shown(stocked):
    _, notes, runs = stocked

    def texts(*choices):
        return {note.text for note in notes_of(notes, *choices)}

    assert texts(runs[0], "trait_1", "default") == {"run", "cell", "prompt"}
    assert texts(runs[0], "trait_2", "default") == {"run", "other trait"}
    assert texts(runs[1], "trait_1", "default") == {"other run", "prompt"}
    assert texts(runs[0]) == {"run", "cell", "other trait", "other set", "prompt"}
    assert [about_text(note.about) for note in notes[:2]] == ["the run", "trait 1, layer 2"]


def test_the_report_has_each_note_once_and_names_damaged_files(stocked):
    settings, _, runs = stocked
    (settings.notes / "20260131-120000-00000000.json").write_text("{")
    view = View(tuple(runs), tuple(runs), ("trait_1", "trait_2"), "default", None)
    table, broken = SECTION.build(results(settings), view)
    assert isinstance(table, Table) and isinstance(broken, Text)
    shown = [row["note"] for row in table.rows]
    assert sorted(shown) == ["cell", "other run", "other trait", "prompt", "run"]
    assert all(str(row["by"]).startswith("Ada, ") for row in table.rows)
    assert "it is no JSON" in broken.text


def test_without_notes_the_report_says_so(settings):
    _, runs = publish_small_phantom(settings)
    shown = (run_summary(settings, runs[0]),)
    view = View(shown, shown, ("trait_1",), "default", None)
    (block,) = SECTION.build(results(settings), view)
    assert "no notes" in block.text

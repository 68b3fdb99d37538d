"""A run that is damaged or deleted while pages show it: the rest works."""

from __future__ import annotations

import os

import pytest

from backend.store import catalog
from backend.store.catalog import run_list
from backend.store.run import run_path
from tests.support.pages import opened, words
from tests.support.phantom_store import publish_small_phantom


@pytest.mark.parametrize("page", ["pages/scorecard.py", "pages/prompts.py", "pages/runs.py"])
def test_a_run_damaged_under_a_page_is_named_and_the_page_shows_the_others(store, page):
    publish_small_phantom(store)
    first, second = run_list(store).runs
    path = run_path(store, second.run_id)
    before = path.stat()
    data = bytearray(path.read_bytes())
    for place in range(20_000, len(data), 100_000):
        data[place] ^= 255
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(run_list(store).runs) == 2, "the list knows nothing yet"
    app = opened(page)
    if page == "pages/runs.py":
        # It lists runs and reads none.
        assert not app.error
        return
    said = words(app)
    assert f"{path.name} is left out" in said.replace("**", "") and "cannot be read" in said
    assert [run.run_id for run in run_list(store).runs] == [first.run_id]
    assert not app.error


def test_a_run_deleted_while_a_page_reads_it_is_left_out(store, monkeypatch):
    publish_small_phantom(store)
    first, second = run_list(store).runs
    listed = catalog.run_list

    def listed_and_deleted(settings):
        found = listed(settings)
        run_path(settings, second.run_id).unlink(missing_ok=True)
        return found

    monkeypatch.setattr(catalog, "run_list", listed_and_deleted)
    app = opened("pages/scorecard.py")
    assert not app.error, words(app)
    assert [run.run_id for run in listed(store).runs] == [first.run_id]
    assert "phantom-2" not in words(app)

"""From tables in no known format to a diagnosis, clicked through in Chromium."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from backend.settings import Settings
from backend.store.run import list_run_ids
from backend.studies.faults import FaultList
from backend.studies.mapping.form import read_mapping
from tests.browser.conftest import serving
from tests.support.browsing import settled
from tests.support.loose_tables import write_table
from tests.support.studies import small_study

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000
expect.set_options(timeout=1 * MINUTES)


@pytest.fixture(scope="module")
def empty(tmp_path_factory, smollm2):
    """The application on an empty store."""
    with serving(tmp_path_factory.mktemp("own"), "--no-sample") as started:
        yield started


@pytest.fixture
def tables(tmp_path):
    """The small study as a researcher may have it, in two csv files."""
    study = small_study(scenarios=8, prompts=3)
    poles = [
        {"label": int(p.pole == "high"), "sentence": p.text, "concept": p.trait}
        for p in study.prompts
    ]
    answers = [
        {
            "conversation_id": r.scenario,
            "turn": {"t1": 1, "tN": 2}[r.turn],
            "model": "author",
            "user": r.messages[0].content,
            "reply": r.text,
            "warmth_score": r.scores["warmth"],
            "haste_score": r.scores["haste"],
        }
        for r in study.responses
    ]
    write_table(tmp_path / "poles.csv", poles)
    write_table(tmp_path / "answers.csv", answers)
    return tmp_path


@pytest.mark.long
def test_from_unmapped_tables_through_the_form_to_a_diagnosis(watched, empty, tables):
    page = settled(watched(f"{empty.url}/runs"))
    page.get_by_text("Import a study", exact=True).click()
    files = [tables / "poles.csv", tables / "answers.csv"]
    page.locator("input[type=file]").set_input_files(files)
    name = page.get_by_role("textbox", name="Name of the study")
    name.fill("own")
    name.press("Tab")
    settled(page)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("What do the columns hold?")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Check these columns").click()
    said = "2 traits, 12 prompts, 16 responses by 1 responder in 8 independent groups"
    expect(page.get_by_text(said)).to_be_visible()
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download this mapping").click()
    kept = tables / "mapping.json"
    waiting.value.save_as(kept)
    mapping = read_mapping(kept.name, kept.read_bytes(), FaultList())
    assert mapping is not None
    assert json.loads(kept.read_text("utf-8"))["responses"]["scores"] == {
        "warmth": "warmth_score",
        "haste": "haste_score",
    }
    assert not list((empty.cache / "studies").glob("*.duckdb"))
    page.get_by_role("button", name="Keep this study").click()
    expect(page.get_by_text(re.compile("Imported as own@"))).to_be_visible()
    settled(page)
    layers = page.get_by_label("Layers", exact=True)
    layers.fill("2")
    layers.press("Tab")
    settled(page)
    page.get_by_role("button", name="Start extraction").click()
    ready = page.get_by_text(re.compile("is ready")).first
    expect(ready).to_be_visible(timeout=10 * MINUTES)
    (run,) = list_run_ids(Settings(cache=empty.cache))
    settled(page)
    page.get_by_role("link", name="Diagnosis").click()
    asked = re.compile("Why does this trait fail|What limits this trait")
    expect(page.get_by_role("heading", name=asked)).to_be_visible()
    expect(page.get_by_text(re.compile("› (warmth|haste)")).first).to_be_visible()
    expect(page).to_have_url(re.compile(f"run={run}"))

"""From a trait in a sentence to a judged, extracted and diagnosed study, clicked in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from backend.settings import Settings
from backend.store.run import list_run_ids
from backend.store.study import list_studies, load_study
from tests.browser.conftest import serving
from tests.support.browsing import settled
from tests.support.endpoint import served
from tests.support.written import MEANS, TRAIT, writes_and_judges

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000


@pytest.fixture(scope="module")
def empty(tmp_path_factory, smollm2):
    """The application on an empty store."""
    with serving(tmp_path_factory.mktemp("sentence"), "--no-sample") as started:
        yield started


def fill(page, **fields):
    """Fill in fields by their labels, spaces written as underscores."""
    for label, text in fields.items():
        field = page.get_by_label(label.replace("_", " "), exact=True)
        field.fill(text)
        field.press("Tab")
        settled(page)


@pytest.mark.long
def test_from_a_sentence_to_a_diagnosis(watched, empty):
    store = Settings(cache=empty.cache)
    with served(writes_and_judges) as server:
        page = settled(watched(f"{empty.url}/new_study"))
        fill(page, Trait=TRAIT, Name_of_the_study="warm", The_trait_in_a_sentence=MEANS)
        fill(page, Pairs_of_prompts="3", Questions_to_respond_to="4")
        fill(page, Endpoint=server.url, Model="big")
        expect(page.get_by_text(re.compile("24 requests"))).to_be_visible(timeout=MINUTES)
        page.get_by_role("button", name="Write the study").click()
        judge = page.get_by_role("button", name="Look at the draft and judge it")
        expect(judge).to_be_visible(timeout=2 * MINUTES)
        settled(page)
        judge.click()
        expect(page.get_by_text("Prompts (6)")).to_be_visible(timeout=MINUTES)
        settled(page)
        fill(page, Endpoint=server.url, Model="big")
        expect(page.get_by_text(re.compile("32 requests"))).to_be_visible(timeout=MINUTES)
        page.get_by_role("button", name="Judge", exact=True).click()
        extract = page.get_by_role("button", name="Extract it")
        expect(extract).to_be_visible(timeout=2 * MINUTES)
    (ref,) = list_studies(store)
    for response in load_study(store, ref).responses:
        assert response.scores == {TRAIT: 2.0 * response.text.count("dear")}
    settled(page)
    extract.click()
    expect(page).to_have_url(re.compile("/runs"), timeout=MINUTES)
    settled(page)
    fill(page, Layers="2")
    page.get_by_role("button", name="Start extraction").click()
    expect(page.get_by_text(re.compile("is ready")).first).to_be_visible(timeout=5 * MINUTES)
    (run,) = list_run_ids(store)
    settled(page)
    page.get_by_role("link", name="Diagnosis").click()
    asked = re.compile("Why does this trait fail|What limits this trait")
    expect(page.get_by_role("heading", name=asked)).to_be_visible(timeout=MINUTES)
    expect(page.get_by_text(re.compile(f"› {TRAIT}")).first).to_be_visible(timeout=MINUTES)
    expect(page).to_have_url(re.compile(f"run={run}"))

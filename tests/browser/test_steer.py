"""A chat side by side on SmolLM2: streamed, coloured, and continued."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsing import settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000


@pytest.mark.long
def test_a_chat_is_streamed_side_by_side_and_goes_on(watched, stocked):
    study = next((stocked.cache / "studies").glob("small*.duckdb")).stem
    page = watched(
        f"{stocked.url}/steer?study={study}&run=before&trait=haste&steer_tokens=12"
        "&steer_strengths=4&steer_unit=norm"
    )
    settled(page)
    message = page.get_by_test_id("stChatInputTextArea")
    message.fill("Name a fruit.")
    message.press("Enter")
    # While it is written: tokens with their projections, each variant in a column of its own.
    tokens = page.locator("span[title^='before']")
    expect(tokens.first).to_be_visible(timeout=5 * MINUTES)
    ended = page.get_by_text("Tokens of the last answers as a table")
    expect(ended).to_be_visible(timeout=5 * MINUTES)
    settled(page)
    for name in ("plain", "+4", "random +4"):
        expect(page.get_by_text(name, exact=True)).to_be_visible()
    colours = tokens.evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert len(colours) > 12 and len(set(colours)) > 3
    expect(page.get_by_text(re.compile(r"tokens/s in 3 columns"))).to_be_visible()
    message.fill("And another?")
    message.press("Enter")
    expect(page.get_by_text(re.compile(r"tokens/s in 3 columns"))).to_have_count(
        2, timeout=5 * MINUTES
    )
    assert page.get_by_text("The model did not answer").count() == 0

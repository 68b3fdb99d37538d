"""The first screen, the tour to its end, Back, and links that cannot be followed, in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
expect.set_options(timeout=60_000)
# What is seen without scrolling on a laptop and on a phone.
SCREENS = [(1440, 900), (390, 844)]


def bottom(locator) -> float:
    box = locator.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.long
@pytest.mark.parametrize("screen", SCREENS)
def test_the_first_screen_says_what_this_is_and_which_traits_work(watched, stocked, screen):
    width, height = screen
    page = settled(
        watched(
            f"{stocked.url}/", viewport={"width": width, "height": height}, is_mobile=width < 600
        )
    )
    expect(page.get_by_text("Steerscope shows why a steering vector works")).to_be_visible()
    for way in ("See the published failure", "Open my study", "Repair a vector"):
        assert bottom(page.get_by_role("button", name=way)) < height
    answer = page.get_by_role("heading", name="Working traits")
    expect(answer).to_have_text(re.compile("llama3-simulated 8/8, qwen2-simulated 3/8"))
    assert bottom(answer) < height
    expect(page.get_by_text("simulated study: no model read these texts")).to_be_visible()
    # Streamlit draws a button that has a tooltip twice, one of them hidden.
    page.locator(".st-key-welcome_close button").locator("visible=true").click()
    expect(page.get_by_text("Steerscope shows why")).to_have_count(0)
    first = page.get_by_role("button", name="sycophancy harmful validation on llama3-simulated")
    settled(page)
    assert bottom(first) < height


@pytest.mark.long
@pytest.mark.parametrize("screen", SCREENS)
def test_open_my_study_shows_where_to_put_it(watched, stocked, screen):
    width, height = screen
    page = settled(watched(f"{stocked.url}/", viewport={"width": width, "height": height}))
    page.get_by_role("button", name="Open my study").click()
    upload = page.get_by_role("region", name=re.compile("A zip; prompts"))
    expect(upload).to_be_visible()
    settled(page)
    assert bottom(upload) < height
    page.get_by_text("Import a study").click()
    expect(upload).to_be_hidden()


def test_the_tour_ends_on_the_applied_fix_after_six_clicks(watched, stocked):
    page = settled(watched(f"{stocked.url}/"))
    page.get_by_role("button", name="See the published failure").click()
    for step in range(2, 7):
        expect(page.get_by_text(f"Tour {step - 1}/6")).to_be_visible()
        settled(page)
        page.locator(".st-key-tour_next button").click()
    expect(page.get_by_role("heading", name="What would filtering do?")).to_be_visible()
    said = page.locator("p", has_text="Tour 6/6")
    expect(said).to_be_visible()
    settled(page)
    before, after = re.search(r"r ([+-]\S+) → ([+-]\S+)", said.inner_text()).groups()
    # The lab's own words: the same r before and with the settings of the fix.
    for r in (before, after):
        expect(page.get_by_text(f"{r} [").first).to_be_visible()
    assert "lab_reference=median" in page.url and "lab_threshold=0.8" in page.url
    page.locator(".st-key-tour_done button").click()
    expect(said).to_have_count(0)
    # Whoever comes back is not welcomed again.
    page.get_by_role("link", name="Scorecard").click()
    expect(page.get_by_role("heading", name="Which traits work where?")).to_be_visible()
    settled(page)
    expect(page.get_by_text("Steerscope shows why")).to_have_count(0)


@pytest.mark.long
def test_back_undoes_one_action_at_a_press(watched, stocked):
    study, runs = preset_study(stocked), preset_runs(stocked)
    mistral = next(run for run in runs if "mistral" in run)
    page = settled(watched(f"{stocked.url}/?study={study}&run={mistral}&trait=crisis_recognition"))
    start = page.evaluate("history.length")
    page.get_by_role("button", name="crisis recognition on mistral-simulated").click()
    expect(
        page.get_by_role("heading", name="Why is this trait only close to working?")
    ).to_be_visible()
    settled(page)
    diagnosis = page.url
    page.get_by_role("combobox", name="Layer").click()
    page.get_by_role("option", name="19", exact=True).click()
    expect(page).to_have_url(re.compile("layer=19"))
    settled(page)
    page.get_by_role("link", name="Filter lab").click()
    expect(page.get_by_role("heading", name="What would filtering do?")).to_be_visible()
    settled(page)
    assert page.evaluate("history.length") == start + 3
    page.go_back()
    expect(
        page.get_by_role(
            "heading",
            name=re.compile("Why does this trait fail|Why is this trait only close to working"),
        )
    ).to_be_visible()
    expect(page).to_have_url(re.compile("diagnosis.*layer=19"))
    settled(page)
    page.go_back()
    expect(page).to_have_url(diagnosis)
    expect(page.get_by_text("crisis recognition › best layer")).to_be_visible()
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Which traits work where?")).to_be_visible()
    settled(page)
    page.go_forward()
    expect(page).to_have_url(diagnosis)


@pytest.mark.long
def test_a_link_to_what_is_not_here_names_it(watched, stocked):
    page = settled(watched(f"{stocked.url}/layers?study=gone@1&run=lost"))
    expect(
        page.get_by_text(re.compile("not in this store: study gone@1, run lost"))
    ).to_be_visible()
    page.get_by_role("link", name="Scorecard").click()
    expect(page.get_by_role("heading", name="Which traits work where?")).to_be_visible()
    settled(page)
    expect(page.get_by_text("not in this store")).to_have_count(0)


@pytest.mark.long
def test_back_to_before_the_tour_ends_it_and_forward_goes_on(watched, stocked):
    page = settled(watched(f"{stocked.url}/"))
    page.get_by_role("button", name="Tour: six steps").click()
    expect(page.get_by_text("Tour 1/6")).to_be_visible()
    settled(page)
    page.go_back()
    expect(page.get_by_text("Tour 1/6")).to_have_count(0)
    settled(page)
    assert "tour=" not in page.url
    page.go_forward()
    expect(page.get_by_text("Tour 1/6")).to_be_visible()

"""The workbench for prompts, the conversations behind r, and the first viewport of the lab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000


class Hand:
    """Clicks, counted."""

    def __init__(self, page):
        self.page, self.clicks = page, 0

    def press(self, name):
        self.clicks += 1
        self.page.get_by_role("button", name=name, exact=True).click()
        settled(self.page)

    def click_on(self, mark):
        """Click in the middle of a mark of a chart, which is where it is while it is clicked: what
        comes onto the page above it meanwhile would lead the click to another mark."""
        self.clicks += 1
        before, at = None, middle(mark)
        while at != before:
            self.page.mouse.move(*at)
            before, at = at, middle(mark)
        self.page.mouse.click(*at)
        settled(self.page)


def middle(locator):
    """Where the middle of an element lies once it has stayed where it is for half a second.

    A chart is drawn once more when its column has got its width, which may be after the script has
    come to its end: who points at a place measured before that hits another point.
    """
    locator.scroll_into_view_if_needed()
    seen = [None]
    while len(seen) < 6 or any(box != seen[-1] for box in seen[-6:]):
        assert len(seen) < 600, f"it does not stay where it is: {seen[-6:]}"
        locator.page.wait_for_timeout(100)
        seen.append(locator.bounding_box())
    box = seen[-1]
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def small_key(application):
    """The study that was there first: another test adds a revision of it."""
    found = (application.cache / "studies").glob("small@*.duckdb")
    return min(found, key=lambda path: path.stat().st_mtime_ns).stem


@pytest.mark.long
def test_a_bad_prompt_is_dropped_compared_and_saved_in_two_clicks(watched, own_stocked):
    key = small_key(own_stocked)
    page = settled(
        watched(
            f"{own_stocked.url}/prompts?study={key}&run=before&trait=haste&layer=2&prompts_view=lengths"
        )
    )
    hand = Hand(page)
    points = page.locator(".st-key-norms .scatterlayer .point")
    points.first.wait_for(state="attached")
    hand.click_on(points.first)
    card = page.locator(".st-key-prompt_card")
    expect(card).to_be_visible()
    expect(card.get_by_text("Nearest prompts by cosine")).to_be_visible()

    # This prompt looks bad.
    hand.clicks = 0
    hand.press("Drop")
    basket = page.locator(".st-key-basket")
    expect(basket.get_by_text("Changes to the prompts: 1 dropped")).to_be_visible()
    expect(basket.get_by_text(re.compile(r"r .+ → .+ Difference"))).to_be_visible()
    assert "basket=" in page.url
    hand.press("Save as set")
    assert hand.clicks == 2
    expect(page.get_by_text(re.compile("Saved as small@"))).to_be_visible()
    assert len(list((own_stocked.cache / "studies").glob("small@*.duckdb"))) == 2

    # The page follows the revision, and shows it by itself once it is made. Until then it still
    # shows what it showed, and its address is written at the end.
    before = re.compile(re.escape(key).replace("@", "(@|%40)"))
    expect(page).not_to_have_url(before, timeout=8 * MINUTES)
    expect(page.get_by_text(re.compile("Mean cosine within a pole"))).to_be_visible(
        timeout=8 * MINUTES
    )
    page.goto(re.sub("prompts_view=[a-z]+", "prompts_view=table", page.url))
    settled(page)
    expect(page.locator(".st-key-prompts_table")).to_be_visible()


@pytest.mark.long
def test_a_cell_of_the_heatmap_opens_a_prompt_and_the_link_carries_changes(watched, own_stocked):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    address = (
        f"{own_stocked.url}/prompts?study={preset_study(own_stocked)}&run={mistral}"
        "&trait=uncritical_validation&layer=19&prompts_view=cosines"
    )
    page = settled(watched(address))
    page.locator(".st-key-heatmap .nsewdrag").wait_for(state="attached")
    page.wait_for_timeout(500)
    Hand(page).click_on(page.locator(".st-key-heatmap .nsewdrag"))
    expect(page.locator(".st-key-prompt_card")).to_be_visible()
    Hand(page).press("Drop")
    compared = re.compile(r"r .+ → .+ Difference")
    said = page.locator(".st-key-basket").get_by_text(compared).inner_text()
    there = settled(watched(page.url))
    assert there.locator(".st-key-basket").get_by_text(compared).inner_text() == said
    expect(there.locator(".st-key-prompt_card")).to_contain_text("dropped")


@pytest.mark.long
def test_back_takes_back_one_drop_at_a_press(watched, own_stocked):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    page = settled(
        watched(
            f"{own_stocked.url}/prompts?study={preset_study(own_stocked)}&run={mistral}"
            "&trait=uncritical_validation&layer=19&prompts_view=lengths"
        )
    )
    hand, basket = Hand(page), page.locator(".st-key-basket")
    points = page.locator(".st-key-norms .scatterlayer .point")
    points.first.wait_for(state="attached")
    hand.click_on(points.first)
    hand.press("Drop")
    expect(basket.get_by_text("Changes to the prompts: 1 dropped")).to_be_visible()
    hand.click_on(points.nth(7))
    hand.press("Drop")
    expect(basket.get_by_text("Changes to the prompts: 2 dropped")).to_be_visible()
    page.go_back()
    expect(basket.get_by_text("Changes to the prompts: 1 dropped")).to_be_visible()
    settled(page)
    page.go_back()  # the click on the other prompt
    settled(page)
    page.go_back()
    expect(basket).to_have_count(0)
    settled(page)
    page.go_forward()
    expect(basket.get_by_text("Changes to the prompts: 1 dropped")).to_be_visible()


@pytest.mark.long
def test_a_point_opens_its_conversation_and_next_goes_on(watched, own_stocked):
    page = settled(
        watched(
            f"{own_stocked.url}/filter_lab?study={small_key(own_stocked)}&run=before&trait=haste&layer=2"
            "&lab_more=evidence"
        )
    )
    talk = page.locator(".talk")
    expect(talk).to_be_visible()
    first = talk.inner_text()
    points = page.locator(".st-key-evidence .scatterlayer .point")
    points.nth(5).wait_for(state="attached")
    Hand(page).click_on(points.nth(5))
    expect(page.get_by_text(re.compile("^6 of 12: score"))).to_be_visible()
    sixth = talk.inner_text()
    assert sixth != first and "First turn (t1)" in sixth and "Last turn (tN)" in sixth
    there = settled(watched(page.url))
    assert there.locator(".talk").inner_text() == sixth
    Hand(page).press("Next")
    expect(page.get_by_text(re.compile("^7 of 12: score"))).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_lab_answers_in_the_first_viewport(watched, own_stocked, width, height):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    page = settled(
        watched(
            f"{own_stocked.url}/filter_lab?study={preset_study(own_stocked)}&run={mistral}"
            "&trait=uncritical_validation&layer=19",
            viewport={"width": width, "height": height},
        )
    )
    page.wait_for_selector(".st-key-axis .main-svg")
    for shown in ("[data-testid=stSlider]", ".lab-head", ".st-key-axis .js-plotly-plot"):
        box = page.locator(shown).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, shown

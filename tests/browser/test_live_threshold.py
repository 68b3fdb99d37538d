"""A threshold under the pointer: the page follows at once, with the server's numbers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]

SHOWN = """() => {
  const chart = document.querySelector(".st-key-axis .js-plotly-plot");
  const at = node => {
    if (!node || node.style.display === "none") return null;
    const box = node.getBoundingClientRect();
    return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
  };
  return {
    head: document.querySelector(".lab-head").innerText,
    poles: [...document.querySelectorAll(".lab-scroll th")].map(head => head.innerText),
    rows: [...document.querySelectorAll("tr[data-cosine]")].map(row => row.innerText),
    dropped: document.querySelectorAll("tr.dropped").length,
    line: Math.round(
      chart.querySelector('.shapelayer path[data-index="0"]').getBoundingClientRect().x),
    marker: at(chart.querySelector(".live-marker"))
      ?? at(chart.querySelector(".scatterlayer .points .point")),
  };
}"""
# Written by the server alone.
SERVED = "() => document.querySelector('.lab-saved').textContent"
THUMB = """() => {
  const box = document.querySelector("[data-testid=stSlider] input[type=range]")
    .closest("[style*=left]").getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_what_the_pointer_shows_is_what_the_server_says_on_release(watched, stocked, width):
    mistral = next(run for run in preset_runs(stocked) if "mistral" in run)
    page = watched(
        f"{stocked.url}/filter_lab?study={preset_study(stocked)}&run={mistral}"
        "&trait=uncritical_validation&layer=19&lab_more=prompts",
        viewport={"width": width, "height": 900},
    )
    settled(page)
    page.wait_for_selector(".st-key-axis .main-svg")
    track = page.locator("[data-testid=stSlider] [role=group]").first
    seen = [page.evaluate(SHOWN)]
    for share in (0.35, 0.6, 0.8, 0.1):
        track.scroll_into_view_if_needed()
        box, (x, y) = track.bounding_box(), page.evaluate(THUMB)
        served, address = page.evaluate(SERVED), page.url
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * share, y, steps=5)
        page.wait_for_timeout(100)
        moving = page.evaluate(SHOWN)
        # The server has not been asked, and yet all of the open cell is there.
        assert page.url == address and page.evaluate(SERVED) == served
        assert moving["head"] != seen[-1]["head"] and moving["line"] != seen[-1]["line"]
        page.mouse.up()
        expect(page).not_to_have_url(address)
        settled(page)
        page.wait_for_function("() => !document.querySelector('.live-marker')")
        page.mouse.move(5, 5)
        seen.append(page.evaluate(SHOWN))
        assert seen[-1] == moving
    assert len({shown["dropped"] for shown in seen}) > 2

"""Charts without a mouse: each has a name, and the cells of a heatmap and the points of a scatter
open from the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
# Pages that draw charts, and the choice between their views.
PAGES = {
    "": "scorecard_view",
    "diagnosis": "diagnosis_view",
    "prompts": "prompts_view",
    "map": None,
    "layers": "layers_view",
    "filter_lab": "lab_more",
    "transfer": "transfer_view",
    "methods": "methods_view",
    "scores": "scores_view",
}
CHARTS = """() => {
  const places = [...document.querySelectorAll("[data-testid=stPlotlyChart]")];
  const found = places.map(place => {
    const chart = place.querySelector(".js-plotly-plot");
    const image = chart?.querySelector(".main-svg");
    return [image?.getAttribute("role"), image?.getAttribute("aria-label"),
      chart?._fullData?.some(trace => trace.type === "heatmap") ? chart.tabIndex : null];
  });
  return found.every(chart => chart[1]) && found;
}"""


def charts(page) -> list[list]:
    """Role, name and tab stop of each chart, as soon as all have a name."""
    return page.wait_for_function(CHARTS).json_value()


@pytest.mark.long
def test_every_chart_is_an_image_with_a_name(watched, stocked):
    mistral = next(run for run in preset_runs(stocked) if "mistral" in run)
    chosen = f"study={preset_study(stocked)}&run={mistral}&trait=crisis_recognition"
    page = watched(f"{stocked.url}/?{chosen}")
    drawn: dict[str, list[list]] = {}
    for path, key in PAGES.items():
        page.goto(f"{stocked.url}/{path}?{chosen}")
        settled(page)
        views = page.locator(f".st-key-{key} [role=radio]")
        if key is not None:
            expect(views.nth(1), f"the views of {path}").to_be_visible(timeout=30_000)
        drawn[path] = charts(page)
        for place in range(1, views.count()):  # the first is open
            views.nth(place).click()
            settled(page)
            drawn[f"{path} {views.nth(place).inner_text()}"] = charts(page)
    wrong = {
        view: [role, label, stop]
        for view, found in drawn.items()
        for role, label, stop in found
        if role != "img" or stop not in (None, 0)
    }
    assert wrong == {}
    assert sum(len(found) > 0 for found in drawn.values()) >= 22
    assert len({label for found in drawn.values() for _, label, _ in found}) > 20


def focus_on(page, chart: str):
    """Go to a chart with the tab key alone."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement?.matches('{chart} .js-plotly-plot')"):
            return page.locator(f"{chart} .js-plotly-plot")
    raise AssertionError("the tab key never comes to the chart")


def prompts_page(watched, stocked, view: str):
    """The Prompts page of a cell of the published study. Args: view: of the page, with what it
    takes."""
    mistral = next(run for run in preset_runs(stocked) if "mistral" in run)
    return settled(
        watched(
            f"{stocked.url}/prompts?study={preset_study(stocked)}&run={mistral}"
            f"&trait=uncritical_validation&layer=19&prompts_view={view}"
        )
    )


@pytest.mark.long
def test_a_cell_of_a_heatmap_is_read_and_opened_by_keyboard_alone(watched, stocked):
    page = prompts_page(watched, stocked, "cosines&order=written")
    page.locator(".st-key-heatmap [aria-roledescription=heatmap]").wait_for()
    chart = focus_on(page, ".st-key-heatmap")
    expect(chart).to_have_attribute("aria-label", re.compile("Enter opens a cell"))
    ring = page.locator(".chart-ring")
    expect(ring).to_be_visible()
    first = ring.bounding_box()
    page.keyboard.press("ArrowRight")
    said = page.locator("body > [role=status]")
    expect(said).to_have_text(re.compile(r"cosine \d\.\d+.*high #"))
    moved = ring.bounding_box()
    assert moved["x"] > first["x"] and moved["y"] == first["y"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settled(page)
    card = page.locator(".st-key-prompt_card")
    expect(card.get_by_text(re.compile("high #"))).to_be_visible()
    # The chart is drawn anew after that, and the keys go on from the same cell.
    below = ring.bounding_box()
    assert below["y"] > first["y"] and below["x"] == moved["x"]
    opened = card.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(card).not_to_have_text(opened)


@pytest.mark.long
def test_the_keys_go_from_one_panel_to_the_next(watched, stocked):
    page = settled(
        watched(f"{stocked.url}/layers?study={preset_study(stocked)}&layers_view=models")
    )
    page.locator(".st-key-models [aria-roledescription=heatmap]").wait_for()
    focus_on(page, ".st-key-models")
    said = page.locator("body > [role=status]")
    heard = []
    for _ in range(3):  # two layers a model
        expect(said).not_to_have_text(heard[-1] if heard else "")
        heard.append(said.inner_text())
        page.keyboard.press("ArrowRight")
    models = [text.split(" ")[0] for text in heard]
    assert models[0] == models[1] != models[2]


@pytest.mark.long
def test_a_chart_says_that_its_points_can_be_opened_however_late_it_knows(watched, stocked):
    page = prompts_page(watched, stocked, "lengths")
    page.locator(".st-key-norms [aria-roledescription='scatter chart']").wait_for()
    chart = focus_on(page, ".st-key-norms")
    expect(chart).to_have_attribute("aria-label", re.compile("Enter opens a point"))
    settled(page)
    # As for a chart after which nothing else is drawn.
    chart.evaluate("c => { delete c.dataset.opens; }")
    expect(chart).not_to_have_attribute("aria-label", re.compile("Enter opens a point"))
    chart.evaluate("c => { c.dataset.opens = 'yes'; }")
    expect(chart).to_have_attribute("aria-label", re.compile("Enter opens a point"))


@pytest.mark.long
def test_a_point_of_a_scatter_is_read_and_opened_by_keyboard_alone(watched, stocked):
    page = prompts_page(watched, stocked, "lengths")
    page.locator(".st-key-norms [aria-roledescription='scatter chart']").wait_for()
    chart = focus_on(page, ".st-key-norms")
    expect(chart).to_have_attribute("aria-label", re.compile("Enter opens a point"))
    said = page.locator("body > [role=status]")
    count = chart.evaluate("c => c._fullData.flatMap(t => [...(t.ids ?? [])]).length")
    heard = []
    for _ in range(count):  # from the shortest prompt to the longest, none twice
        expect(said).not_to_have_text(heard[-1] if heard else "")
        heard.append(said.inner_text())
        page.keyboard.press("ArrowRight")
    norms = [float(re.search(r"norm (\S+),", text)[1]) for text in heard]
    assert norms == sorted(norms) and len({text.split(" without")[0] for text in heard}) == count
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(said).not_to_have_text(heard[-1])
    ring = page.locator(".chart-ring").bounding_box()
    page.keyboard.press("Enter")
    settled(page)
    name = re.match(r"(high|low) #\d+", said.inner_text())[0]
    expect(page.locator(".st-key-prompt_card").get_by_text(name)).to_be_visible()
    assert page.locator(".chart-ring").bounding_box() == ring

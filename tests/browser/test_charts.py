"""Charts without a mouse: each has a name, and the cells of a heatmap open from the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
# Every part of every page that draws charts, by what the address says.
PARTS = (
    "?scorecard_view=intervals",
    "diagnosis?diagnosis_view=fixes",
    "diagnosis?read=on",
    "prompts?prompts_view=cosines",
    "prompts?prompts_view=lengths",
    "map?",
    *(f"layers?layers_view={view}" for view in ("r", "traits", "models", "prompts")),
    "filter_lab?lab_more=layers",
    "filter_lab?lab_more=prompts",
    *(f"transfer?transfer_view={view}" for view in ("matrix", "trait", "pair")),
    *(f"methods?methods_view={view}" for view in ("grid", "overall", "trait", "cosines")),
    *(
        f"scores?scores_view={view}"
        for view in ("trait", "traits", "judge", "length", "ranks", "poles")
    ),
)
NAMES = """() => [...document.querySelectorAll(".js-plotly-plot")].map(chart => {
  const image = chart.querySelector(".main-svg");
  return [image?.getAttribute("role"), image?.getAttribute("aria-label"),
    chart._fullData?.some(trace => trace.type === "heatmap") ? chart.tabIndex : null];
})"""
NAMED = "(NAMES) => { const found = eval(NAMES)(); return found.length && found.every(f => f[1]); }"


def test_every_chart_is_an_image_with_a_name(watched, stocked):
    mistral = next(run for run in preset_runs(stocked) if "mistral" in run)
    chosen = f"study={preset_study(stocked)}&run={mistral}&trait=crisis_recognition"
    page = watched(f"{stocked.url}/?{chosen}")
    wrong, every = {}, set()
    for part in PARTS:
        page.goto(f"{stocked.url}/{part}&{chosen}")
        settled(page)
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        try:
            page.wait_for_function(NAMED, arg=NAMES, timeout=10_000)
        finally:
            found = page.evaluate(NAMES)
        if any(role != "img" or not label or stop not in (None, 0) for role, label, stop in found):
            wrong[part] = found
        every |= {label for _, label, _ in found}
    assert wrong == {}
    assert len(every) > 20


def focus_on(page, chart: str):
    """Go to a chart with the tab key alone."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement?.matches('{chart} .js-plotly-plot')"):
            return page.locator(f"{chart} .js-plotly-plot")
    raise AssertionError("the tab key never comes to the chart")


def test_a_cell_of_a_heatmap_is_read_and_opened_by_keyboard_alone(watched, stocked):
    mistral = next(run for run in preset_runs(stocked) if "mistral" in run)
    page = settled(
        watched(
            f"{stocked.url}/prompts?study={preset_study(stocked)}&run={mistral}"
            "&trait=uncritical_validation&layer=19&prompts_view=cosines&order=written"
        )
    )
    page.locator(".st-key-heatmap [aria-roledescription=heatmap]").wait_for()
    chart = focus_on(page, ".st-key-heatmap")
    expect(chart).to_have_attribute("aria-label", re.compile("Enter opens a cell"))
    ring = page.locator(".heatmap-cell")
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

"""What people come for, clicked through in Chromium: explain, fix, save, share, extract, report."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from safetensors import safe_open

from tests.support.browsing import preset_runs, preset_study, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000
expect.set_options(timeout=1 * MINUTES)


def test_from_a_failing_cell_to_its_cause_the_lab_a_saved_vector_and_its_file(
    watched, own_stocked, tmp_path
):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    study = preset_study(own_stocked)
    page = watched(f"{own_stocked.url}/?study={study}")
    settled(page)
    page.get_by_role("button", name="crisis recognition on mistral-simulated").click()
    expect(
        page.get_by_role("heading", name="Why is this trait only close to working?")
    ).to_be_visible()
    expect(page.get_by_text("mistral-simulated › crisis recognition")).to_be_visible()
    settled(page)
    page.get_by_text(re.compile("^\\d+ undetermined$")).click()
    settled(page)
    page.get_by_text(re.compile("^Prompts that point elsewhere")).first.click()
    page.get_by_role("button", name="Try it").last.click()
    expect(page.get_by_role("heading", name="What would filtering do?")).to_be_visible()
    settled(page)
    assert "lab_reference=" in page.url and "trait=crisis_recognition" in page.url
    page.get_by_text("Save this vector").click()
    page.get_by_label("Name", exact=True).fill("crisis-filtered")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile("Saved as crisis-filtered"))).to_be_visible()
    page.get_by_role("link", name="Methods").click()
    expect(page.get_by_role("heading", name="Which vector method wins?")).to_be_visible()
    expect(page.get_by_text("crisis-filtered").first).to_be_attached()
    page.goto(
        f"{own_stocked.url}/report?study={study}&run={mistral}&trait=crisis_recognition&take=vectors"
        "&vectors=saved.crisis-filtered"
    )
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("Download the vector")).click()
    kept = tmp_path / "vector.safetensors"
    waiting.value.save_as(kept)
    with safe_open(kept, "np") as file:
        (name,) = file.keys()
        assert file.get_tensor(name).shape == (1024,)


@pytest.mark.long
def test_a_shared_link_opens_the_same_lab_in_a_clean_profile(watched, own_stocked):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    here = watched(
        f"{own_stocked.url}/filter_lab?study={preset_study(own_stocked)}&run={mistral}"
        "&trait=uncritical_validation&layer=19"
    )
    settled(here)
    slider = here.get_by_role("slider").first
    slider.focus()
    before = here.url
    for _ in range(6):
        slider.press("ArrowRight")
    expect(here).not_to_have_url(before)
    threshold = slider.input_value()
    # Each press is a rerun, and the address follows the last of them.
    expect(here).to_have_url(re.compile(rf"lab_threshold={re.escape(threshold)}(&|$)"))
    settled(here)
    there = settled(watched(here.url))
    expect(there.get_by_role("slider").first).to_have_value(threshold)
    shown = [
        page.locator(".js-plotly-plot").first.evaluate("p => p.data.map(d => d.y)")
        for page in (here, there)
    ]
    assert shown[0] == shown[1]


@pytest.mark.long
def test_pasted_prompts_are_extracted_by_smollm2_and_compared(watched, own_stocked):
    key = next((own_stocked.cache / "studies").glob("small@*.duckdb")).stem
    page = settled(
        watched(f"{own_stocked.url}/runs?study={key}&runs_view=prompts&prompts_how=paste")
    )
    rows = [
        f'{{"trait": "{trait}", "pole": "{pole}", "text": "{pole} {word} about {trait}"}}'
        for trait in ("warmth", "haste")
        for pole in ("high", "low")
        for word in ("safe", "name")
    ]
    table = page.get_by_role("textbox", name="Prompts as jsonl, or as csv with a header")
    table.fill("\n".join(rows))
    table.press("Control+Enter")
    name = page.get_by_role("textbox", name="Name of the set")
    name.fill("second")
    name.press("Tab")
    page.get_by_role("button", name="Check and add the set").click()
    expect(page.get_by_text(re.compile("The set is in the new revision"))).to_be_visible()
    layers = page.get_by_label("Layers", exact=True)
    layers.fill("2-3")
    layers.press("Tab")
    settled(page)
    page.get_by_role("button", name="Start extraction").click()
    compare = page.get_by_role("button", name="Compare with the previous run").first
    expect(compare).to_be_visible(timeout=10 * MINUTES)
    compare.click()
    expect(page.get_by_text(re.compile("What differs: .*prompt"))).to_be_visible()
    expect(page.get_by_text(re.compile("2 traits changed: "))).to_be_visible()
    expect(page.get_by_text("not in this store")).to_have_count(0)
    assert len(list((own_stocked.cache / "studies").glob("small@*.duckdb"))) == 2


@pytest.mark.long
def test_the_report_opens_offline_with_its_charts(watched, browser, own_stocked, tmp_path):
    mistral = next(run for run in preset_runs(own_stocked) if "mistral" in run)
    page = settled(
        watched(
            f"{own_stocked.url}/report?study={preset_study(own_stocked)}&run={mistral}"
            "&trait=crisis_recognition"
        )
    )
    with page.expect_download(timeout=3 * MINUTES) as waiting:
        page.get_by_role("button", name=re.compile("Download the report")).click()
    kept = tmp_path / "report.html"
    waiting.value.save_as(kept)
    context = browser.new_context(offline=True)
    offline = context.new_page()
    asked, faults = [], []
    offline.on("request", lambda request: asked.append(request.url))
    offline.on("pageerror", lambda fault: faults.append(str(fault)))
    offline.goto(kept.as_uri())
    offline.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    charts = offline.locator(".chart")
    assert charts.count() > 5
    for place in range(charts.count()):  # each is drawn when it comes into sight
        charts.nth(place).scroll_into_view_if_needed()
        charts.nth(place).locator(".main-svg").first.wait_for()
    expect(offline.get_by_text(re.compile("Simulated: no model read")).first).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert faults == []
    context.close()

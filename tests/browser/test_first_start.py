"""From an empty cache to real numbers on screen, and a second extraction cancelled."""

from __future__ import annotations

import json
import re
import shutil

import duckdb
import pytest
from playwright.sync_api import expect

from backend.jobs.queue import JobQueue
from backend.runs.engines import SIMULATED_PREFIX
from backend.settings import Settings
from backend.studies.sample import sample_path
from tests.browser.conftest import ROOT, serving

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]
MINUTES = 60_000
# A page shares two cores with an extraction here, so patience is not what is tested.
expect.set_options(timeout=1 * MINUTES)
# Of the sample: the trait whose prompts are looked at one by one keeps them all.
WHOLE = "crisis_recognition"
PROMPTS, SCENARIOS = 8, 20


@pytest.fixture(scope="module")
def application(tmp_path_factory, smollm2):
    """The application on an empty store, as on a first start, from a copy of its files in which
    the sample holds half of its prompts and a third of its responses: the way from them to the
    screen is the same, and their forward passes take minutes. ``make bench-first-start`` starts
    with the whole sample."""
    program = tmp_path_factory.mktemp("program")
    for name in ("backend", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, program / name)
    shutil.copyfile(ROOT / "app.py", program / "app.py")
    _shorten(program / sample_path().relative_to(ROOT))
    with serving(tmp_path_factory.mktemp("cache"), program=program) as started:
        yield started


def _shorten(sample):
    """Keep a few prompts of each pole and the first scenarios, both turns of each."""
    path, counts, kept = sample / "prompts.jsonl", {}, []
    for line in path.read_text("utf-8").splitlines():
        prompt = json.loads(line)
        pole = (prompt["trait"], prompt["pole"])
        counts[pole] = counts.get(pole, 0) + 1
        if prompt["trait"] == WHOLE or counts[pole] <= PROMPTS:
            kept.append(line)
    path.write_text("\n".join(kept) + "\n", "utf-8")
    path = sample / "responses.jsonl"
    lines = path.read_text("utf-8").splitlines()
    scenarios = sorted({json.loads(line)["scenario"] for line in lines})[:SCENARIOS]
    kept = [line for line in lines if json.loads(line)["scenario"] in scenarios]
    path.write_text("\n".join(kept) + "\n", "utf-8")


@pytest.fixture
def page(watched, application):
    """A page of a clean profile."""
    return watched(application.url)


def stored(cache):
    """trait -> (highest r over layers, its layer) from the run's file."""
    file = next((cache / "runs").glob("sample-*.duckdb"))
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            "SELECT t.trait, max(c.r), arg_max(c.layer, c.r) FROM correlations c"
            " JOIN traits t USING (trait) WHERE c.method = 'mean_difference'"
            " GROUP BY t.trait, t.position ORDER BY t.position"
        ).fetchall()
    return {trait: (r, layer) for trait, r, layer in rows}


@pytest.mark.long
def test_a_link_to_a_page_works_on_a_server_nobody_has_opened_yet(page, application):
    page.goto(f"{application.url}/prompts?trait=crisis_recognition")
    expect(page.get_by_role("heading", name="Do the prompts agree?")).to_be_visible()
    expect(page.get_by_role("link", name="Scorecard")).to_be_visible()
    expect(page.get_by_role("link", name="app", exact=True)).to_have_count(0)


@pytest.mark.long
def test_the_sample_fills_the_scorecard_with_the_numbers_of_its_file(page, application):
    page.goto(application.url)
    expect(page.get_by_role("heading", name="Which traits work where?")).to_be_visible()
    expect(page.get_by_text(re.compile(r"batch \d+ of \d+"))).to_be_visible(timeout=10 * MINUTES)
    rate = page.get_by_text(re.compile(r"texts/s, \d+ tokens/s"))
    expect(rate).to_be_visible(timeout=5 * MINUTES)
    cells = page.get_by_role("button", name=re.compile("Why\\?$"))
    expect(cells.first).to_be_visible(timeout=15 * MINUTES)
    expected = stored(application.cache)
    expect(cells).to_have_count(len(expected))
    for place, (trait, (r, layer)) in enumerate(expected.items()):
        said = cells.nth(place).get_attribute("aria-label")
        assert said.startswith(f"{trait.replace('_', ' ')} on ")
        assert f"r {r:+.2f} [" in said and f", layer {layer}" in said
        expect(cells.nth(place)).to_contain_text(f"{r:+.2f}")


@pytest.mark.long
def test_prompts_show_both_poles_and_a_link_restores_the_choice(page, application):
    page.goto(f"{application.url}/prompts?trait=crisis_recognition&layer=12&prompts_view=cosines")
    sentence = page.locator("p", has_text=re.compile("crisis recognition on .*, layer 12"))
    expect(sentence.first).to_be_visible()
    heatmap = page.locator(".js-plotly-plot").first
    heatmap.wait_for()
    across, down = heatmap.evaluate("plot => [plot.data[0].x, plot.data[0].y]")
    assert len(across) == len(down) == 40
    assert "high #" in down[3] and "low #" in across[25]
    assert page.locator("body").evaluate("b => b.scrollWidth <= window.innerWidth")


def _cancel_simulations(application):
    """The bundled phantom is still being made, behind the sample; here it would only be waited
    for."""
    queue = JobQueue(Settings(cache=application.cache))
    for job in queue.jobs():
        if job.active:
            assert job.request.model.startswith(SIMULATED_PREFIX)
            queue.cancel(job.run_id)
    queue.close()


@pytest.mark.long
def test_another_extraction_is_started_followed_and_cancelled(page, application):
    _cancel_simulations(application)
    page.goto(f"{application.url}/runs")
    layers = page.get_by_label("Layers", exact=True)
    layers.fill("2-24")  # so many that it is still at work when it is cancelled
    layers.press("Tab")
    page.get_by_role("button", name="Start extraction").click()
    # Where its button is, and among the active jobs.
    expect(page.get_by_text(re.compile(r"extracting, batch [1-9]\d* of \d+")).first).to_be_visible(
        timeout=3 * MINUTES
    )
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Nothing is queued or running.")).to_be_visible()
    expect(page.get_by_text(re.compile("smollm2.* cancelled")).first).to_be_visible()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible()
    assert len(list((application.cache / "runs").glob("sample-*.duckdb"))) == 1

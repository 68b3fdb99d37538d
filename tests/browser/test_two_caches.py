"""Two dashboards, each with its own cache, on one queue in PostgreSQL and one shared folder."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from playwright.sync_api import expect

from backend.jobs.queue import JobQueue
from backend.settings import Settings
from backend.store.shared import exchange
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.browser.conftest import serving
from tests.support.browsing import settled
from tests.support.postgres import postgres_server
from tests.support.studies import small_study

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PATIENCE = 240_000


@pytest.fixture
def pair(tmp_path):
    """The settings and the applications of both."""
    (tmp_path / "shared").mkdir()
    with postgres_server() as server:
        url = server.new_database()
        both = [
            Settings(cache=tmp_path / name, queue_url=url, shared=str(tmp_path / "shared"))
            for name in ("one", "two")
        ]
        for settings in both:
            settings.make_folders()
        # Enough texts that the run is still at work when the other page looks.
        study = small_study(scenarios=60)
        publish_study(both[0], study, content_hash(study))
        exchange(both[0])
        variables = {"STEERSCOPE_QUEUE_URL": url, "STEERSCOPE_SHARED": both[0].shared}
        with (
            serving(both[0].cache, "--no-sample", variables=lambda _: variables) as one,
            serving(both[1].cache, "--no-sample", variables=lambda _: variables) as two,
        ):
            yield both, (one, two)


@pytest.mark.long
def test_a_run_asked_on_one_is_followed_and_read_on_the_other(pair, watched, tiny_llama):
    # In this order: pages are closed before what serves them ends.
    both, (one, two) = pair
    here = settled(watched(f"{one.url}/runs"))
    there = settled(watched(f"{two.url}/runs"))
    for page in (here, there):
        expect(page.get_by_text(re.compile("^2 workers on 1 machine"))).to_be_visible(
            timeout=PATIENCE
        )
    model = here.get_by_role("combobox", name="Model")
    model.fill(str(tiny_llama))
    model.press("Enter")
    settled(here)
    for name, value in (("Layers", "1-2"), ("Tokens per batch", "40")):
        field = here.get_by_label(name, exact=True)
        field.fill(value)
        field.press("Tab")
        settled(here)
    here.get_by_role("button", name="Start extraction").click()
    # In progress on both, whichever worker has it.
    for page in (there, here):
        bar = page.locator("[data-testid=stProgress]", has_text=re.compile("extracting|metrics"))
        expect(bar.first).to_be_visible(timeout=PATIENCE)
    with closing(JobQueue(both[1])) as queue:
        (job,) = queue.jobs()
        assert len(queue.workers()) == 2
        assert queue.places()[job.run_id] in {beat.name for beat in queue.workers()}
    for page in (here, there):
        expect(page.get_by_text(f"{job.run_id} is published.")).to_be_visible(timeout=PATIENCE)
        # In the history, too.
        expect(page.get_by_text(re.compile(f"^{job.run_id}: .* MB"))).to_be_visible()
    for page, served in ((here, one), (there, two)):
        page.goto(f"{served.url}/?study={job.request.study}&run={job.run_id}")
        settled(page)
        expect(
            page.get_by_role("button", name=re.compile("^(warmth|haste) on llama")).first
        ).to_be_visible()

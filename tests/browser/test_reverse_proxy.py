"""Under a path of another site, behind a reverse proxy: pages, links, report and tables."""

from __future__ import annotations

import html
import re
import zipfile
from urllib.parse import urlsplit

import pytest

from backend.settings import Settings
from tests.browser.conftest import serving
from tests.support.phantom_store import publish_small_phantom
from tests.support.proxy import proxied

BASE = "tools/scope"


@pytest.fixture(scope="module")
def behind(tmp_path_factory, smollm2):
    """The proxy in front of the application, whose store holds a phantom."""
    settings = Settings(cache=tmp_path_factory.mktemp("behind"))
    publish_small_phantom(settings)
    with (
        serving(settings.cache, "--no-sample", "--base-path", BASE) as started,
        proxied(f"/{BASE}", urlsplit(started.url).port) as proxy,
    ):
        yield proxy


@pytest.mark.long
def test_links_report_and_tables_work_and_nothing_is_asked_elsewhere(behind, watched, tmp_path):
    site = f"http://127.0.0.1:{behind.port}"
    page = watched(f"{site}/{BASE}/")
    page.get_by_role("heading", level=1).first.wait_for()
    for name in ("Diagnosis", "Layers", "Report"):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        page.wait_for_url(f"{site}/{BASE}/{name.lower()}*")
        page.get_by_role("heading", level=1).first.wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the report").click()
    waiting.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text("utf-8")
    assert report.lstrip().startswith("<!") and "phantom" in report.lower()
    again = re.search(rf'href="({site}/{BASE}/\?study=[^"]+)"', report)
    assert again is not None
    view = watched(html.unescape(again[1]))
    view.get_by_role("heading", level=1).first.wait_for()
    # A link that a collaborator opens, with its choices.
    link = page.url.replace("take=report", "take=tables")
    assert "study=" in link and link.startswith(f"{site}/{BASE}/report?")
    other = watched(link)
    with other.expect_download() as waiting:
        other.get_by_role("button", name="tables as a zip").click()
    waiting.value.save_as(tmp_path / "tables.zip")
    assert len(zipfile.ZipFile(tmp_path / "tables.zip").namelist()) > 5
    assert other.url.startswith(link.partition("&take=")[0])
    assert behind.astray == []

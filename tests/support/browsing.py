"""What tests that open pages in a browser share: addresses, the bundled study, a page at rest."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.pages import PAGES

# Of every page in the address, the first one's is bare.
PATHS = ("/", *(f"/{page.removeprefix('pages/').removesuffix('.py')}" for page in PAGES[1:]))
_CALM = """ms => {
  const app = document.querySelector("[data-testid=stApp]");
  // Connected and at rest is also a page whose script the server has not begun yet.
  const drawn = document.querySelector(".stMainBlockContainer [data-testid=stElementContainer]");
  const resting = app?.dataset.testScriptState === "notRunning" && drawn &&
    app.dataset.testConnectionState === "CONNECTED";
  if (!resting) window.restingSince = undefined;
  else window.restingSince ??= performance.now();
  return resting && performance.now() - window.restingSince > ms;
}"""


def preset_runs(application) -> list[str]:
    """Ids of the published study's runs in a running application's store."""
    return sorted(p.stem for p in (application.cache / "runs").glob("published-*.duckdb"))


def preset_study(application) -> str:
    """Key of the published study in a running application's store."""
    return next((application.cache / "studies").glob("published-*.duckdb")).stem


def settled(page: Page) -> Page:
    """Wait until something is drawn, and the script has ended and not begun again for 0.5 s."""
    page.evaluate("window.restingSince = undefined")
    page.wait_for_function(_CALM, arg=500, polling=50)
    return page

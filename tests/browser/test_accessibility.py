"""Every page against axe-core, in both themes, and at the width of a phone. The fixture that
opens it sees that it asks no one else."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.browsing import PATHS, settled

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.model]

# Findings that no page of ours can change: rule -> part of the element -> why.
OF_STREAMLIT = {
    "color-contrast": {
        # One primary colour of a theme is both a button's background, under white text, and the
        # colour of chosen text on the page: on a dark page none has 4.5:1 in both places.
        'button[data-testid="stBaseButton-primary"]': "white on the dark theme's primary colour",
    },
}
THEMES = (("light", 1440), ("dark", 390))
SHOWN = """() => [document, document.querySelector("[data-testid=stMain]")]
  .map(part => part.documentElement ?? part)
  .map(part => part.scrollWidth - part.clientWidth)"""


def ours(page) -> list[str]:
    """Serious and critical findings, without those of Streamlit itself."""
    found = []
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        known = OF_STREAMLIT.get(violation["id"], {})
        for node in violation["nodes"]:
            element = page.locator(node["target"][0]).first
            if not any(
                element.evaluate("(e, outer) => Boolean(e.closest(outer))", outer)
                for outer in known
            ):
                found.append(f"{violation['id']}: {node['html'][:200]}")
    return found


@pytest.mark.long
@pytest.mark.parametrize(("theme", "width"), THEMES)
def test_no_page_has_a_serious_finding_or_scrolls_sideways(watched, stocked, theme, width):
    page = watched(
        f"{stocked.url}/",
        viewport={"width": width, "height": 900},
        is_mobile=width < 500,
        color_scheme=theme,
    )
    wrong = {}
    for path in PATHS:
        page.goto(f"{stocked.url}{path}")
        settled(page)
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
        found = ours(page)
        if any(beyond > 0 for beyond in page.evaluate(SHOWN)):
            found.append("the page scrolls sideways")
        if page.locator("[data-testid=stException]").count():
            found.append("the page ends in an exception")
        if found:
            wrong[path] = found
    assert wrong == {}

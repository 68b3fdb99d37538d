"""Open a page in Streamlit's AppTest and read it."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
# In the order of the navigation, the first page first.
PAGES = tuple(re.findall(r'st.Page\(\s*"(pages/\w+\.py)"', (ROOT / "app.py").read_text("utf-8")))
FIRST = PAGES[0]
# Each AppTest reads the metadata of every installed package for components, which takes longer
# than drawing a page; what is installed does not change while tests run.
manifest_scanner.scan_component_manifests = functools.cache(
    manifest_scanner.scan_component_manifests
)


def opened(page: str, **choices: object) -> AppTest:
    """The page with choices made, by widget key.

    AppTest loses the sidebar of an app with st.navigation after the first run, so choices are
    made before it; the browser tests click.
    """
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in choices.items():
        app.session_state[key] = value
    return _run(app, page)


def linked(page: str = FIRST, **address: str) -> AppTest:
    """The page as a link opens it, by what its address says."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in address.items():
        app.query_params[key] = value
    return _run(app, page)


def _run(app: AppTest, page: str) -> AppTest:
    """The page behind the first one; AppTest knows a page only once the navigation has run."""
    app.run()
    if page != FIRST:
        app.switch_page(page).run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """All sentences on the page, as they are read: a sign that is escaped is that sign."""
    elements = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.title]
    return as_read(" ".join(element.value for element in elements))


def as_read(markdown: str) -> str:
    """A text of a page without the signs that keep others from meaning something."""
    return _ESCAPED.sub(r"\1", markdown.replace("\u2060", ""))

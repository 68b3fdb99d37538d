"""Links to the Methods page outlive the words of its options."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.pages import ROOT, words
from tests.support.phantom_store import publish_small_phantom

METHODS = "pages/methods.py"


@pytest.mark.parametrize(
    ("written", "kept", "said"),
    [
        ("fair", "held_out", "r over drifts, layer chosen on other scenarios"),
        ("held_out", "held_out", "r over drifts, layer chosen on other scenarios"),
        ("best", "best", "r over drifts, at the best layer (inflated by selection)"),
    ],
)
def test_old_and_new_links_open_the_same_numbers(store, written, kept, said):
    _, (run_id, _) = publish_small_phantom(store)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["methods_r"] = written
    app.query_params["run"] = run_id
    app.run()
    app.switch_page(METHODS).run()
    assert not app.exception, app.exception
    assert app.query_params["methods_r"] in (kept, [kept])
    assert said in words(app)

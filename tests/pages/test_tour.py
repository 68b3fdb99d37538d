"""The tour's place comes from the session or from the address, whatever stands there."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.pages import ROOT, words


@pytest.mark.parametrize("written", ["²", "7", "two"])
def test_an_address_that_names_no_step_begins_no_tour(store, written):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["tour"] = written
    app.run()
    assert not app.exception, app.exception
    assert "**Tour " not in words(app)

"""The tour's place comes from the session or from the address, whatever stands there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from backend.views.study_tests.published import published_findings
from backend.views.tour import MODELS, tour_steps
from pages.shared import tour
from tests.support.pages import ROOT, words


@pytest.mark.parametrize("written", ["²", "7", "two"])
def test_an_address_that_names_no_step_begins_no_tour(store, written):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["tour"] = written
    app.run()
    assert not app.exception, app.exception
    assert "**Tour " not in words(app)


def test_each_step_says_what_it_is_about_and_the_store_lacks(settings, monkeypatch):
    steps = tour_steps(published_findings(settings.thresholds), None)
    first, second, third, *others = steps

    def waiting(step, study, *models):
        monkeypatch.setattr(tour, "_demo_study", lambda: study)
        monkeypatch.setattr(tour, "_demo_runs", lambda: [SimpleNamespace(label=m) for m in models])
        return tour._waiting(step)

    for step in steps:
        assert ("still being made" in waiting(step, None)) == step.demo
        assert waiting(step, "demo@1", *MODELS) == ""
    assert "1 of the 3 models" in waiting(first, "demo@1", MODELS[0])
    assert waiting(second, "demo@1", MODELS[0]) == ""
    assert f"The run of {MODELS[1]} is still being made" in waiting(third, "demo@1", MODELS[0])
    for step in others:
        assert f"The run of {MODELS[2]} is still being made" in waiting(step, "demo@1", *MODELS[:2])

"""Links to the Methods page outlive the words of its options."""

from __future__ import annotations

import io

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from backend.runs.imported_vectors import imported_list
from backend.store.catalog import run_summary
from tests.support.pages import ROOT, opened, words
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


def test_an_upload_is_understood_before_it_is_kept(store):
    _, (run_id, _) = publish_small_phantom(store)
    record = run_summary(store, run_id).record
    trait = run_summary(store, run_id).traits[0]
    content = io.BytesIO()
    np.savez(content, np.random.default_rng(0).normal(size=(1, record.width)))
    app = opened(METHODS, run=run_id)
    (uploader,) = app.get("file_uploader")
    uploader.set_value(("other.npz", content.getvalue(), "application/octet-stream")).run()
    assert "does not say how it numbers layers" in words(app)
    app.selectbox(key="vectors_trait").set_value(trait)
    app.selectbox(key="vectors_numbering").set_value("from-1")
    app.text_input(key="vectors_layers").set_value(str(record.layers[0])).run()
    assert f"other: {trait}, d = {record.width}, layer {record.layers[0]} as numbered" in words(app)
    assert imported_list(store) == ((), {})
    next(button for button in app.button if button.label == "Keep").click().run()
    assert not app.exception, app.exception
    (kept,) = imported_list(store)[0]
    assert (kept.name, kept.trait, kept.layers) == ("other", trait, record.layers[:1])

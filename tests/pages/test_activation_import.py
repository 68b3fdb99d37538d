"""The Runs page: uploaded activations are matched with a study and shown before a run is made."""

from __future__ import annotations

import numpy as np

from backend.store.run import list_run_ids
from tests.support.pages import as_read, opened, words
from tests.support.raw import reading_run
from tests.support.runs import contents, publish_run
from tests.support.studies import small_study

PAGE = "pages/runs.py"
STUDY = small_study()
LAYERS = (1, 2)


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def stored(settings):
    """What the model of run-1 gave: kind -> [texts, layers, d]."""
    with reading_run(settings, "run-1") as connection:
        return {
            f"{kind}s": np.stack(
                [
                    np.array(
                        [
                            row[0]
                            for row in connection.execute(
                                f"SELECT activation FROM {kind}_activations WHERE layer = ?"
                                f" ORDER BY {kind}_id",
                                [layer],
                            ).fetchall()
                        ],
                        np.float32,
                    )
                    for layer in LAYERS
                ],
                axis=1,
            )
            for kind in ("prompt", "response")
        }


def uploaded(path):
    """The page with a file and what is to be said of it."""
    app = opened(PAGE, import_activations=True)
    app.file_uploader(key="activations_file").set_value(
        (path.name, path.read_bytes(), "application/octet-stream")
    )
    app.text_input(key="activations_model").set_value("tiny")
    app.text_input(key="activations_layers").set_value("1-2")
    app.selectbox(key="activations_numbering").set_value("from-1")
    app.number_input(key="activations_depth").set_value(3).run()
    return app


def test_activations_are_shown_and_make_a_run_only_when_asked(store, tiny_llama, tmp_path):
    publish_run(store, STUDY, tiny_llama, "run-1", LAYERS)
    np.savez(tmp_path / "acts.npz", **stored(store))
    app = uploaded(tmp_path / "acts.npz")
    press(app, "Check the file")
    texts = len(STUDY.prompts) + len(STUDY.responses)
    said = f"acts.npz: all {texts} texts of small@"
    assert "Nothing is kept yet." in words(app) and said in words(app)
    assert "layers 1-2 as numbered here, of 3 blocks, d = 64. Model: tiny." in words(app)
    assert list_run_ids(store) == ("run-1",)
    # What was checked is not what is said now.
    app.text_input(key="activations_layers").set_value("0-1").run()
    assert said not in words(app)
    app.text_input(key="activations_layers").set_value("1-2").run()
    press(app, "Make a run of them")
    (made,) = set(list_run_ids(store)) - {"run-1"}
    assert made in as_read(app.success[0].value)
    (button,) = [button for button in app.button if button.label == "Open its scorecard"]
    button.click().run()
    move = app.session_state["page_asked_for"]  # AppTest cannot follow
    assert (move.page, move.choices["run"]) == ("pages/scorecard.py", made)
    own, mine = contents(store, "run-1"), contents(store, made)
    for table in ("correlations", "projections", "vectors", "metrics"):
        assert own[table] == mine[table]


def test_a_file_that_does_not_fit_is_told_and_nothing_is_left(store, tiny_llama, tmp_path):
    publish_run(store, STUDY, tiny_llama, "run-1", LAYERS)
    found = stored(store)
    np.savez(tmp_path / "short.npz", prompts=found["prompts"][1:], responses=found["responses"])
    app = uploaded(tmp_path / "short.npz")
    press(app, "Check the file")
    assert "short.npz cannot be used: prompts has" in words(app)
    app.text_input(key="activations_model").set_value("").run()
    press(app, "Check the file")
    assert "It is not said which model gave the activations." in words(app)
    assert "Nothing is kept yet." not in words(app)
    assert list_run_ids(store) == ("run-1",) and list(store.work.iterdir()) == []

"""The Filter lab shows the stored r by default, and what its address says."""

from __future__ import annotations

import html
import itertools

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from backend.core.vectors.pipeline import Pipeline
from backend.runs.imported_vectors import VectorChoice, keep_vectors, understand_vectors
from backend.runs.saved_vectors import saved_vectors
from backend.store.connection import matrix_of
from backend.views.filter_lab.named import beside
from pages.shared.lab_link import lab_parameters
from tests.support.lab_html import without_marks
from tests.support.pages import ROOT, words
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/filter_lab.py"


@pytest.fixture
def lab(store, tiny_llama):
    publish_run(store, small_study(scenarios=20), tiny_llama, "run-1")
    return store


def opened(pipeline: Pipeline | None = None, **address: str) -> AppTest:
    """The lab with its settings in the address."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    wanted = (lab_parameters(pipeline) if pipeline else {}) | {"layer": "2", "trait": "haste"}
    for key, value in (wanted | address).items():
        app.query_params[key] = value
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception, app.exception
    return app


def tables(app: AppTest) -> str:
    """All HTML on the page, as text, without styles."""
    bodies = [element.proto.body for element in app.get("html")]
    whole = " ".join(body for body in bodies if not body.startswith("<style>"))
    return html.unescape(without_marks(whole))


def activations(store):
    with reading_run(store, "run-1") as connection:
        rows = matrix_of(
            connection,
            "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE layer = 2 AND trait = 'haste' ORDER BY prompt_id",
            [],
        )
        responses = matrix_of(
            connection,
            "SELECT activation FROM response_activations WHERE layer = 2 ORDER BY response_id",
            [],
        )
        cases = connection.execute(
            "SELECT first_response, last_response, value FROM behaviours WHERE trait = 'haste'"
            " ORDER BY case_id"
        ).fetchall()
    return rows.astype(np.float64), responses.astype(np.float64), np.array(cases)


def direct(store, threshold):
    """kept, cosines and r of the filter at one threshold, from activations."""
    rows, responses, cases = activations(store)
    high = np.arange(10) < 5
    cosines = np.zeros(10)
    for pole in (high, ~high):
        mean = rows[pole].mean(axis=0)
        cosines[pole] = rows[pole] @ mean / np.linalg.norm(rows[pole], axis=1)
        cosines[pole] /= np.linalg.norm(mean)
    kept = cosines >= threshold
    vector = rows[kept & high].mean(axis=0) - rows[kept & ~high].mean(axis=0)
    along = responses @ vector
    first, last = cases[:, 0].astype(int), cases[:, 1].astype(int)
    return kept, cosines, np.corrcoef(along[last] - along[first], cases[:, 2])[0, 1]


def a_threshold(store) -> float:
    """One that drops a prompt and leaves two in each pole."""
    _, cosines, _ = direct(store, -1.0)
    order = np.sort(cosines)
    for one, two in itertools.pairwise(order):
        threshold = round(float(one + two) / 2, 6)
        kept = cosines >= threshold
        if min(kept[:5].sum(), kept[5:].sum()) >= 2:
            return threshold
    raise AssertionError("no threshold drops a prompt of this run")


def test_the_default_view_is_the_stored_mean_difference(lab):
    app = opened()
    with reading_run(lab, "run-1") as connection:
        r, low, high = connection.execute(
            "SELECT r, low, high FROM correlations WHERE method = 'mean_difference'"
            " AND trait = 'haste' AND layer = 2"
        ).fetchall()[0]
    shown = tables(app)
    assert shown.count(f"{r:+.2f} [{low:+.2f}, {high:+.2f}], n = 20") >= 2
    assert "mean difference: 10 of 10 prompts kept" in shown
    assert "No cell changes its status." in shown and "dropped" not in shown
    assert app.slider[0].value == app.slider[0].min
    assert app.query_params["lab_threshold"] == "-1"


def test_a_threshold_in_the_address_shows_the_direct_figures(lab):
    threshold = a_threshold(lab)
    app = opened(Pipeline(filter_reference="mean", threshold=threshold), lab_more="prompts")
    kept, cosines, r = direct(lab, threshold)
    shown = tables(app)
    assert f"r with these settings <b>{r:+.2f} [" in shown
    assert f"{kept.sum()} of 10 prompts kept" in shown
    assert shown.count('<tr class="dropped">') == (~kept).sum()
    for cosine in cosines:
        assert f'<td class="n">{cosine:.3f}</td>' in shown
    assert app.slider[0].value == pytest.approx(threshold)
    assert app.query_params["lab_threshold"] == f"{threshold:g}"


def test_the_slider_moves_everything_and_the_address(lab):
    app = opened()
    threshold = a_threshold(lab)
    app.slider[0].set_value(threshold).run()
    assert not app.exception
    assert f"r with these settings <b>{direct(lab, threshold)[2]:+.2f} [" in tables(app)
    assert app.query_params["lab_threshold"] == f"{threshold:g}"


def test_settings_outlast_a_visit_to_another_page(lab):
    threshold = a_threshold(lab)
    app = opened(Pipeline("unit", "mean", threshold, denoise=1))
    label = f"unit-norm rows, cosine to mean ≥ {threshold:g}, 1 within-class component removed"
    assert f"Saves <b>haste</b>, layer 2: <b>{label}</b>" in tables(app)
    app.switch_page("pages/layers.py").run()
    app.query_params.clear()
    app.query_params.update({"layer": "2", "trait": "haste"})
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.query_params["lab_threshold"] == f"{threshold:g}"
    assert f"Saves <b>haste</b>, layer 2: <b>{label}</b>" in tables(app)


def test_each_part_below_the_curve_is_shown_alone(lab):
    shown = {
        more: tables(opened(lab_more=more)) for more in ("card", "prompts", "layers", "metrics")
    }
    for more, mark in (("card", "Scorecard"), ("prompts", "Prompts"), ("metrics", "Metrics")):
        assert [name for name, text in shown.items() if f'aria-label="{mark}"' in text] == [more]


def test_a_refusal_is_worded(lab):
    shown = tables(opened(Pipeline(filter_reference="mean", threshold=1.0)))
    assert "refused: a cosine of at least 1 leaves" in shown and "a pole needs 2" in shown
    assert "nan" not in shown.lower()


@pytest.mark.parametrize("threshold", ["nonsense", "7", "nan"])
def test_a_threshold_that_is_none_falls_back(lab, threshold):
    app = opened(lab_threshold=threshold)
    assert app.query_params["lab_threshold"] == "-1"


def test_presets_set_the_controls(lab):
    app = opened(Pipeline("unit", "median", 0.97, "geometric_median", 2))
    assert "unit-norm rows, cosine to median ≥ 0.97, geometric median, 2 within" in tables(app)
    for label, pipeline in (
        ("Solution A: cosine ≥ 0.80", Pipeline(filter_reference="mean", threshold=0.8)),
        ("Solution C: remove 1 PC", Pipeline(denoise=1)),
        ("As published", Pipeline()),
    ):
        next(button for button in app.button if button.label == label).click().run()
        assert not app.exception
        assert f"layer 2, {pipeline.label}: " in tables(app)
        for key, value in lab_parameters(pipeline).items():
            assert app.query_params[key] == value


def test_every_metric_of_the_run_can_be_chosen(lab):
    for metric in ("massive_removed", "standardised", "response_pcs_removed_1", "lda"):
        shown = tables(opened(Pipeline(metric=metric)))
        with reading_run(lab, "run-1") as connection:
            (r,) = connection.execute(
                "SELECT r FROM correlations WHERE trait = 'haste' AND layer = 2 AND method = ?",
                [metric],
            ).fetchall()[0]
        assert f"r with these settings <b>{r:+.2f} [" in shown
    assert "Ledoit-Wolf" in shown


def test_without_a_filter_the_slider_rests_and_there_is_no_axis(lab):
    app = opened(lab_reference="none")
    assert app.slider[0].disabled and "there is no threshold to move" in words(app)


def test_intervals_are_filled_in_on_demand(lab):
    app = opened()
    assert "…" in tables(app)
    next(button for button in app.button if button.label == "Fill in now").click().run()
    assert not app.exception
    shown = tables(app)
    with reading_run(lab, "run-1") as connection:
        low, high = connection.execute(
            "SELECT boot_low, boot_high FROM correlations WHERE method = 'mean_difference'"
            " AND trait = 'haste' AND layer = 2"
        ).fetchall()[0]
    assert "…" not in shown and f"[{low:+.2f}, {high:+.2f}]" in shown
    assert "both vectors project alike here" in shown


def test_a_vector_is_saved_once_under_its_name(lab):
    threshold = a_threshold(lab)
    app = opened(Pipeline(filter_reference="mean", threshold=threshold))

    def save(name):
        app.text_input[0].set_value(name)
        next(button for button in app.button if button.label == "Save").click().run()
        assert not app.exception

    save("mine")
    assert "Saved as **mine**" in " ".join(element.value for element in app.success)
    (saved,) = saved_vectors(lab)
    kept, _, r = direct(lab, threshold)
    assert saved.pipeline == Pipeline(filter_reference="mean", threshold=threshold)
    assert saved.prompt_ids == tuple(10 + np.flatnonzero(kept))
    assert saved.correlation.value == pytest.approx(r, abs=1e-10)
    save("mine")
    assert "called 'mine' already" in words(app)
    save("Not a name")
    assert "cannot name a vector" in words(app)
    assert len(saved_vectors(lab)) == 1


@pytest.mark.parametrize("kind", ["level", "none", "few"])
def test_the_lab_opens_on_every_kind_of_study(store, tiny_llama, kind):
    scenarios = {"level": 12, "none": 0, "few": 4}[kind]
    study = small_study(turns=kind != "level", scenarios=scenarios)
    publish_run(store, study, tiny_llama, "run-1")
    shown = tables(opened())
    assert ("r with these settings <b>undefined: r needs at least 3" in shown) == (kind == "none")
    assert "nan" not in shown.lower()


def test_an_empty_store_says_what_to_do(store):
    assert "make run" in words(opened())


def test_an_imported_vector_stands_beside_the_settings(lab, tmp_path):
    np.savez(tmp_path / "mine.npz", np.random.default_rng(8).normal(size=(1, 64)))
    choice = VectorChoice(name="mine", trait="haste", numbering="from-1", numbers=(2,))
    keep_vectors(lab, understand_vectors(lab, tmp_path / "mine.npz", choice))
    assert "r of mine" not in tables(opened())
    app = opened(lab_beside="imported:mine")
    assert "r of mine" in tables(app)
    next(button for button in app.button if button.label == "Fill in now").click().run()
    assert not app.exception, app.exception
    found = results(lab).with_saved(
        beside, ["run-1"], "imported:mine", ("haste", "default", 2), Pipeline()
    )
    shown = tables(app)
    assert f"<b>{found.cosine:+.3f}</b>" in shown and f"<b>{found.r.value:+.2f} [" in shown
    assert f"<b>{found.difference.value:+.2f} [" in shown

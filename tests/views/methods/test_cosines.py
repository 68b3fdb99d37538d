"""Cosines between vectors, against scikit-learn's on the stored vectors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS
from backend.store.catalog import run_list
from backend.store.run import open_run
from backend.views.methods.cosines import VectorCosines, runs_of_model, vector_cosines
from backend.views.methods.figures import cosine_map
from backend.views.methods.tables import cosine_rows
from backend.views.methods.words import cosines_answer, missing_vectors
from tests.support.runs import publish_run
from tests.support.studies import small_study


def with_second_set(study):
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    return dataclasses.replace(study, prompts=study.prompts + other)


@pytest.fixture
def run(settings, tiny_llama):
    publish_run(settings, with_second_set(small_study()), tiny_llama, "run-1")
    with open_run(settings, "run-1") as opened:
        yield opened


def test_traits_and_methods_are_the_stored_vectors(run):
    found = vector_cosines([run], "traits", "", MEAN_DIFFERENCE, "default", 2)
    stored = run.vectors("default", [(t, MEAN_DIFFERENCE, 2) for t in ("warmth", "haste")])
    assert found.names == ("warmth", "haste") and found.width == run.record.width
    np.testing.assert_allclose(
        found.cosines, cosine_similarity([v.values for v in stored]), atol=1e-12
    )
    by_method = vector_cosines([run], "methods", "haste", "", "default", 2)
    titles = {method.title: method.name for method in METHODS}
    stored = run.vectors("default", [("haste", titles[name], 2) for name in by_method.names])
    np.testing.assert_allclose(
        by_method.cosines, cosine_similarity([v.values for v in stored]), atol=1e-12
    )
    assert set(by_method.names) | set(by_method.missing) == set(titles)


def test_prompt_sets_and_runs_of_one_model(settings, run, tiny_llama):
    alone = vector_cosines([run], "sets", "haste", MEAN_DIFFERENCE, "", 2)
    assert alone.names == ("default", "other")
    publish_run(settings, small_study(), tiny_llama, "run-2", (2,))
    runs = run_list(settings).runs
    ids = runs_of_model(runs, next(r for r in runs if r.run_id == "run-2"))
    assert ids == ("run-2", "run-1")
    with open_run(settings, "run-2") as second:
        both = vector_cosines([second, run], "sets", "haste", MEAN_DIFFERENCE, "", 2)
        assert len(both.names) == 3
        # The same prompts read by the same model are the same vector.
        assert both.cosines[0, 1] == pytest.approx(1.0, abs=1e-6)
        at_one = vector_cosines([second, run], "sets", "haste", MEAN_DIFFERENCE, "", 1)
        assert len(at_one.names) == 2 and len(at_one.missing) == 1
        assert missing_vectors(at_one).startswith("No vector at layer 1: ")


def test_the_answer_names_the_closest_pair_and_chance():
    cosines = np.array([[1, 0.2, -0.9], [0.2, 1, np.nan], [-0.9, np.nan, 1]])
    found = VectorCosines(("a", "b", "c"), cosines, 3, 400, ())
    assert found.closest() == ("a", "c", -0.9)
    assert cosines_answer(found) == (
        "Most opposed: a and c, cosine -0.90. Of two random directions in d = 400, 95% have a "
        "cosine within ±0.10."
    )
    assert cosine_rows(found)[1]["c"] == "undefined: no length"
    (heat,) = cosine_map(found).data
    assert heat.z[1][2] is None and heat.text[0][2] == "-.90"
    one = VectorCosines(("a",), np.ones((1, 1)), 3, 400, ())
    assert one.closest() is None and "Fewer than two" in cosines_answer(one)


def test_chance_is_as_large_as_said():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20000, 400))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.mean(np.abs(cosines) < 1.96 / 20) == pytest.approx(0.95, abs=0.005)

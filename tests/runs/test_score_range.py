"""Probes split responses at the same fractions of whatever range a study's scores have."""

from __future__ import annotations

import dataclasses
import json
import shutil

import duckdb
import numpy as np
import pytest

from backend.core.vectors.methods import METHODS, method_named
from backend.core.vectors.probes import Labels
from backend.exports.vectors import method_titles
from backend.runs import derive
from backend.runs.derivation_session import DerivationSession
from backend.runs.derive import DERIVATION, same_numbers
from backend.runs.directions import DirectionKey, direction_key, method_key
from backend.runs.session import session_of
from backend.settings import Settings
from backend.store.run import delete_run, open_run, run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from backend.views.methods.compute import method_grid
from backend.views.methods.words import missing_caption
from backend.views.tokens.choices import second_choices, vector_choices
from backend.views.tokens.says import neighbours
from tests.support.kept import kept_store
from tests.support.raw import reading_run
from tests.support.studies import small_study

TENS = small_study(scenarios=30)
SPLIT = ("logistic_5_3", "logistic_4_2", "logistic_any")


def in_range(low, high, name):
    """The study with its scores of 0 to 10 carried to another range."""
    return dataclasses.replace(
        TENS,
        name=name,
        score_range=(float(low), float(high)),
        responses=tuple(
            dataclasses.replace(
                response,
                scores={t: (10 * low + s * (high - low)) / 10 for t, s in response.scores.items()},
            )
            for response in TENS.responses
        ),
    )


def extract(settings, study, model, run_id):
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(study=ref.key, model=str(model), layers=(2,))
    session_of(settings, run_id, request, lambda _: None).run()


@pytest.fixture(scope="module")
def kept(tiny_llama) -> Settings:
    """Runs of the study in three ranges; the first one's activations serve all."""
    made = kept_store()
    extract(made, TENS, tiny_llama, "tens")
    extract(made, in_range(0, 100, "hundreds"), tiny_llama, "hundreds")
    extract(made, in_range(1, 5, "stars"), tiny_llama, "stars")
    return made


@pytest.fixture
def store(settings, kept) -> Settings:
    """A store of the test's own that holds these runs."""
    shutil.copytree(kept.cache, settings.cache, dirs_exist_ok=True)
    return settings


def probes(settings, run_id):
    """(method, trait) -> vector, held-out projections, r, reason."""
    found = {}
    with reading_run(settings, run_id) as run:
        for method, trait, r, reason in run.execute(
            "SELECT method, trait, r, reason FROM correlations"
        ).fetchall():
            key = (method, trait)
            vector = run.execute(
                "SELECT vector FROM vectors WHERE method = ? AND trait = ?", key
            ).fetchall()
            projections = run.execute(
                "SELECT response_id, projection FROM projections WHERE method = ? AND trait = ?"
                " ORDER BY 1",
                key,
            ).fetchall()
            if method in SPLIT:
                found[key] = (np.array(vector), np.array(projections), r, reason)
    return found


def as_if_derived_by(settings, run_id, version):
    with duckdb.connect(str(run_path(settings, run_id))) as file:
        file.execute("UPDATE derivations SET version = ?", [version])


@pytest.mark.parametrize(
    ("score_range", "fifths", "quarters"),
    [((0, 10), (5, 3), (4, 2)), ((0, 100), (50, 30), (40, 20)), ((1, 5), (3, 2.2), (2.6, 1.8)),
     ((0, 7), (3.5, 2.1), (2.8, 1.4)), ((-1, 1), (0, -0.4), (-0.2, -0.6))],
)  # fmt: skip
def test_thresholds_lie_at_the_same_fractions_and_are_the_scores_that_are_written(
    score_range, fifths, quarters
):
    for given, wanted in (((5, 3), fifths), ((4, 2), quarters)):
        labels = Labels(*given).on(score_range)
        # Equal, not near: a response that is scored 2.1 is low where the threshold is 2.1.
        assert (labels.at_least, labels.at_most) == wanted
        high, low = labels.of(np.array([*wanted, np.nan]))
        assert high.tolist() == [True, False, False] and low.tolist() == [False, True, False]
    assert Labels(None, None).on(score_range) == Labels(None, None)


@pytest.mark.parametrize("run_id", ["hundreds", "stars"])
def test_probes_do_not_depend_on_the_units_of_scores(kept, run_id):
    tens, other = probes(kept, "tens"), probes(kept, run_id)
    assert {method for method, _ in tens} == {*SPLIT} and tens.keys() == other.keys()
    assert sum(reason is None for *_, reason in tens.values()) >= 4
    for key, (vector, projections, r, reason) in tens.items():
        # Scores of 1 to 5 have no exact binary fractions: the mean of the two middle scores of a
        # fold may miss a held-out score that it equals in tens.
        if (run_id, key[0]) == ("stars", "logistic_any"):
            continue
        np.testing.assert_array_equal(other[key][0], vector)
        np.testing.assert_array_equal(other[key][1], projections)
        assert other[key][3] == reason
        assert other[key][2] == (None if r is None else pytest.approx(r, abs=1e-12))


def test_titles_say_the_thresholds_in_the_units_of_the_study(kept):
    def titles(run_id):
        with open_run(kept, run_id) as run:
            grid = method_grid(run, (), "default")
            assert grid.outdated_range is None and missing_caption(grid) == ""
            shown = {row.name: row.title for row in grid.rows}
            assert method_titles(run) == {name: shown[name] for name in method_titles(run)}
            return shown

    assert titles("tens") == {method.name: method.title for method in METHODS}
    assert titles("hundreds")["logistic_5_3"] == "Logistic probe, ≥50 v ≤30"
    with open_run(kept, "hundreds") as run:
        lda = method_key(run, "haste", "lda")
        keys = [
            direction_key(run, (), "haste", "logistic_5_3", "default"),
            vector_choices([run], (), "haste", "default")["logistic_5_3"],
            second_choices([run], (), "haste", "default", method_key(run, "warmth", "lda"))[
                "logistic_5_3"
            ],
        ]
        near = neighbours([run], (), lda, "default", 2).found
    assert near and {one.key.label_range for one in near} == {(0.0, 100.0)}
    for key in keys:
        assert key.title == "haste, Logistic probe, ≥50 v ≤30"
        again = DirectionKey.from_values(json.loads(json.dumps(key.to_values())))
        assert again == key and again.title == key.title
    assert titles("stars")["logistic_4_2"] == "Logistic probe, ≥2.6 v ≤1.8"
    assert method_named("logistic_5_3").title == "Logistic probe, ≥5 v ≤3"


def test_a_run_of_an_earlier_version_says_its_own_thresholds_until_it_is_derived_again(store):
    for run_id in ("tens", "hundreds"):
        as_if_derived_by(store, run_id, 2)
    with open_run(store, "tens") as run:
        assert missing_caption(method_grid(run, (), "default")) == ""
    with open_run(store, "hundreds") as run:
        grid = method_grid(run, (), "default")
        assert {row.name: row.title for row in grid.rows}["logistic_5_3"].endswith("≥5 v ≤3")
        assert "run from 0 to 100. Derive the run again" in missing_caption(grid)
    DerivationSession(store, "hundreds", lambda _: None).run()
    with open_run(store, "hundreds") as run:
        assert run.derivation == DERIVATION
        assert missing_caption(method_grid(run, (), "default")) == ""


def test_only_numbers_that_stay_the_same_are_taken_from_an_earlier_version(
    store, tiny_llama, monkeypatch
):
    assert same_numbers(2, 3, TENS) and not same_numbers(2, 3, in_range(0, 100, "h2"))
    assert not same_numbers(1, 3, TENS)
    fitted = []
    whole = derive._fit_to_responses
    monkeypatch.setattr(
        derive, "_fit_to_responses", lambda *given: fitted.append(1) or whole(*given)
    )
    delete_run(store, "stars")
    for study, run_id, fits in ((TENS, "tens", 0), (in_range(0, 100, "h2"), "hundreds", 1)):
        as_if_derived_by(store, run_id, 2)
        other = "hundreds" if run_id == "tens" else "tens"
        run_path(store, other).rename(store.cache / other)  # so that one run can give
        extract(store, dataclasses.replace(study, title="again"), tiny_llama, f"{run_id}-again")
        assert len(fitted) == fits
        assert probes(store, f"{run_id}-again").keys() == probes(store, run_id).keys()
        delete_run(store, f"{run_id}-again")
        (store.cache / other).rename(run_path(store, other))


def test_another_range_of_the_same_scores_takes_no_probe(store, tiny_llama):
    wider = dataclasses.replace(TENS, name="wider", score_range=(0.0, 20.0))
    extract(store, wider, tiny_llama, "wider")
    before, after = probes(store, "tens"), probes(store, "wider")
    # High from 10 up: the same responses as in a study of 0 to 10 with half the scores.
    for trait in TENS.traits:
        reason = after["logistic_5_3", trait][3]
        assert reason is not None and "each class needs 10" in reason
        np.testing.assert_array_equal(
            after["logistic_any", trait][0], before["logistic_any", trait][0]
        )

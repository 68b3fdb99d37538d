"""A saved vector is the one that follows from the stored activations, under every metric."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.vectors.methods import METHODS
from backend.core.vectors.pipeline import Pipeline
from backend.errors import StoreError, VectorError
from backend.runs.saved_vectors import save_vector, saved_cases, saved_list, saved_vectors
from backend.store.connection import matrix_of
from backend.store.run import open_run
from tests.support.raw import reading_run
from tests.support.runs import publish_run
from tests.support.studies import small_study

METRICS = (
    "identity",
    "massive_removed",
    "standardised",
    "response_pcs_removed_1",
    "response_pcs_removed_3",
    "lda",
)


@pytest.fixture
def run(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return settings


def activations(settings, layer=2, trait="haste"):
    """Prompts of the trait, their poles and all responses, float64."""
    with reading_run(settings, "run-1") as connection:
        prompts = matrix_of(
            connection,
            "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE layer = ? AND trait = ? ORDER BY prompt_id",
            [layer, trait],
        )
        poles = connection.execute(
            "SELECT pole = 'high' FROM prompts WHERE trait = ? ORDER BY prompt_id", [trait]
        ).fetchall()
        responses = matrix_of(
            connection,
            "SELECT activation FROM response_activations WHERE layer = ? ORDER BY response_id",
            [layer],
        )
    return (
        prompts.astype(np.float64),
        np.array(poles)[:, 0].astype(bool),
        responses.astype(np.float64),
    )


def metric_matrix(name, prompts, high, responses):
    """M as a full matrix, written out from its definition."""
    width = prompts.shape[1]
    identity = np.eye(width)
    if name == "massive_removed":
        rms = np.sqrt(np.square(responses).mean(axis=0))
        return np.diag((rms <= 20 * np.median(rms)).astype(float))
    if name == "standardised":
        return np.diag(1 / responses.var(axis=0))
    if name.startswith("response_pcs_removed"):
        _, _, directions = np.linalg.svd(responses - responses.mean(axis=0), full_matrices=False)
        top = directions[: int(name[-1])]
        return identity - top.T @ top
    if name == "lda":
        centred = np.concatenate(
            [prompts[high] - prompts[high].mean(0), prompts[~high] - prompts[~high].mean(0)]
        )
        n = len(centred)
        covariance = centred.T @ centred / n
        size = np.trace(covariance) / width
        distance = np.square(covariance - size * identity).sum()
        error = sum(np.square(np.outer(x, x) - covariance).sum() for x in centred) / n**2
        shrinkage = np.clip(min(error, distance) / distance, 1e-3, 1.0)
        return np.linalg.inv((1 - shrinkage) * covariance + shrinkage * size * identity)
    return identity


@pytest.mark.parametrize("metric", METRICS)
def test_the_vector_is_the_direct_one_under_every_metric(run, metric):
    saved = save_vector(run, "v", "run-1", "haste", "default", 2, Pipeline(metric=metric))
    prompts, high, responses = activations(run)
    m = metric_matrix(metric, prompts, high, responses)
    expected = m @ (prompts[high].mean(axis=0) - prompts[~high].mean(axis=0))
    assert np.linalg.norm(saved.vector - expected) <= 1e-8 * np.linalg.norm(expected)
    unit = expected / np.linalg.norm(expected)
    assert saved.projections == pytest.approx(responses @ unit, rel=1e-8, abs=1e-10)
    with open_run(run, "run-1") as opened:
        cases = saved_cases(opened, saved)
    assert np.corrcoef(cases.x, cases.y)[0, 1] == pytest.approx(saved.correlation.value, abs=1e-9)
    assert len(set(cases.scenarios)) == len(cases) == saved.correlation.n == 12


@pytest.mark.parametrize("method", [m for m in METHODS if m.pipeline], ids=lambda m: m.name)
def test_a_registered_pipeline_gives_its_methods_vector(run, method):
    with reading_run(run, "run-1") as connection:
        stored = matrix_of(
            connection,
            "SELECT vector FROM vectors WHERE method = ? AND trait = 'haste' AND layer = 2",
            [method.name],
        ).reshape(-1)
        projections = matrix_of(
            connection,
            "SELECT [projection] FROM projections WHERE method = ? AND trait = 'haste'"
            " AND layer = 2 ORDER BY response_id",
            [method.name],
        ).reshape(-1)
        (r,) = connection.execute(
            "SELECT r FROM correlations WHERE method = ? AND trait = 'haste' AND layer = 2",
            [method.name],
        ).fetchall()[0]
    if not len(stored):
        with pytest.raises(VectorError, match="no vector to save"):
            save_vector(run, "v", "run-1", "haste", "default", 2, method.pipeline)
        return
    saved = save_vector(run, "v", "run-1", "haste", "default", 2, method.pipeline)
    cosine = saved.vector @ stored / np.linalg.norm(saved.vector) / np.linalg.norm(stored)
    assert cosine == pytest.approx(1.0, abs=1e-12)
    assert saved.projections == pytest.approx(projections, rel=1e-9, abs=1e-10)
    assert saved.correlation.value == pytest.approx(r, abs=1e-12)


def test_a_filter_keeps_and_names_the_prompts_it_kept(run):
    prompts, high, _ = activations(run)
    cosines = np.zeros(len(prompts))
    for pole in (high, ~high):
        mean = prompts[pole].mean(axis=0)
        cosines[pole] = prompts[pole] @ mean / np.linalg.norm(prompts[pole], axis=1)
        cosines[pole] /= np.linalg.norm(mean)
    threshold = float(np.round((np.sort(cosines[high])[0] + np.sort(cosines[high])[1]) / 2, 6))
    pipeline = Pipeline(filter_reference="mean", threshold=threshold)
    saved = save_vector(run, "kept", "run-1", "haste", "default", 2, pipeline)
    kept = cosines >= threshold
    assert saved.prompt_ids == tuple(10 + np.flatnonzero(kept))
    expected = prompts[kept & high].mean(axis=0) - prompts[kept & ~high].mean(axis=0)
    assert saved.vector == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_what_is_saved_is_read_back_and_never_replaced(run):
    first = save_vector(run, "mine", "run-1", "haste", "default", 2, Pipeline())
    with pytest.raises(StoreError, match="called 'mine' already"):
        save_vector(run, "mine", "run-1", "haste", "default", 1, Pipeline())
    (found,) = saved_vectors(run)
    for name in (
        "name",
        "run_id",
        "trait",
        "prompt_set",
        "layer",
        "pipeline",
        "created_at",
        "prompt_ids",
        "correlation",
    ):
        assert getattr(found, name) == getattr(first, name)
    assert np.array_equal(found.vector, first.vector)
    assert np.array_equal(found.projections, first.projections)
    assert list(run.work.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../up", "-a", "a-", "x" * 61])
def test_impossible_names_are_refused(run, name):
    with pytest.raises(StoreError, match="cannot name a vector"):
        save_vector(run, name, "run-1", "haste", "default", 2, Pipeline())


def test_refusals_name_their_reason_and_keep_nothing(run):
    with pytest.raises(VectorError, match="a pole needs 2"):
        save_vector(
            run,
            "v",
            "run-1",
            "haste",
            "default",
            2,
            Pipeline(filter_reference="mean", threshold=1.0),
        )
    with pytest.raises(StoreError, match="no prompts of 'pride'"):
        save_vector(run, "v", "run-1", "pride", "default", 2, Pipeline())
    assert saved_vectors(run) == ()


def test_broken_files_are_listed_with_their_reason(run):
    save_vector(run, "good", "run-1", "haste", "default", 2, Pipeline())
    (run.vectors / "bad.duckdb").write_text("junk")
    found = saved_list(run)
    assert [saved.name for saved in found.vectors] == ["good"]
    assert "cannot be read" in found.broken["bad.duckdb"]


def test_a_run_without_responses_can_still_give_a_vector(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    saved = save_vector(
        settings, "v", "run-1", "haste", "default", 2, Pipeline(metric="massive_removed")
    )
    assert saved.correlation.value is None and len(saved.projections) == 0
    with open_run(settings, "run-1") as opened:
        assert len(saved_cases(opened, saved)) == 0

"""Layers derived on a Ray cluster are those that this process derives, whatever is lost there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.vectors.methods import METHODS
from backend.errors import ClusterError
from backend.runs import derive
from backend.runs.session import session_of
from backend.store import run as store_run
from backend.store.run import open_run, run_path
from backend.types import ExtractionRequest
from tests.support.ray_nodes import kill, ray_nodes
from tests.support.runs import contents, publish_run
from tests.support.studies import small_study

LAYERS = (0, 1, 2, 3)
STUDY = small_study(scenarios=14)


@pytest.fixture(scope="module")
def nodes():
    with ray_nodes() as found:
        yield found


@pytest.fixture
def made(settings, nodes, tiny_llama):
    """The settings of a store with a run that this process derived, and what it holds."""
    publish_run(settings, STUDY, tiny_llama, "run", LAYERS)
    return dataclasses.replace(settings, ray_address=nodes.address), contents(settings, "run")


def deriving(settings, report=lambda _: None, **values):
    request = ExtractionRequest("", "", (), derives="run", engine="ray", **values)
    return session_of(settings, "job", request, report)


def opened(session):
    """The workers of a session, when both are ready."""
    assert session.derive_some()
    workers = session._derivers._open.workers
    workers.wait_for_all()
    assert len(workers.joined) == 2
    return workers


@pytest.mark.long
def test_a_worker_that_is_killed_leaves_the_tables_as_this_process_makes_them(
    made, nodes, monkeypatch
):
    # Several parts a layer, whose sums differ in rounding from those of one.
    monkeypatch.setattr(store_run, "CHUNK", 10)
    monkeypatch.setattr("backend.runs.steps.DERIVE_SECONDS", 0.0)
    settings, _ = made
    here = ExtractionRequest("", "", (), derives="run")
    session_of(settings, "job", here, lambda _: None).run()
    before = contents(settings, "run")
    expected = layers_here(settings)
    monkeypatch.setattr(derive.LayersHere, "tables", None)
    session = deriving(settings)
    workers = opened(session)
    # In another order too, and again, a layer comes out the same.
    with open_run(settings, "run") as run:
        there, task = session._derivers._open, task_of(run)
        for order in ((3, 0, 1), (0, 3), (3,)):
            assert same(there.tables(order, task, lambda: None), expected[order[0]])
            assert len(workers._found) + sum(len(w.flying) for w in workers._live) <= 3
    kill(workers.joined[0].pid)
    session.run()
    assert contents(settings, "run") == before
    assert workers._starts == 3
    assert nodes.left() == 0


def task_of(run):
    """What there is to derive of a layer where nothing is derived yet."""
    study = run.study()

    return lambda layer: derive.layer_task(run, layer, [*study.traits], {})


def layers_here(settings):
    """The tables of two layers, by this process."""
    with open_run(settings, "run") as run:
        study, task = run.study(), task_of(run)
        behaviours = derive.behaviours_of(study)
        return {
            layer: derive.layer_tables(task(layer), study, METHODS, behaviours) for layer in (0, 3)
        }


def same(one, other):
    """Whether two tables hold the same values, of the same kinds."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and one and isinstance(one[0], dict):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    return type(one) is type(other) and (one == other or one.equals(other))


class Cancelled(Exception):
    """What a worker's report raises when its job is cancelled."""


def test_a_cancel_ends_the_workers_and_the_run_is_gone_on_with_here(made, nodes):
    settings, before = made
    told = []

    def report(progress):
        told.append(progress.stage)
        if progress.stage.startswith("computing metrics, layer 2"):
            raise Cancelled

    session = deriving(settings, report, workers=1)
    with pytest.raises(Cancelled):
        session.run()
    assert nodes.left() == 0
    assert contents(settings, "run") == before
    assert "waiting for the first of 1 workers on Ray" in told
    request = ExtractionRequest("", "", (), derives="run")
    session_of(settings, "job", request, lambda _: None).run()
    assert contents(settings, "run") == before


@pytest.mark.long
def test_a_run_that_was_extracted_on_a_cluster_is_derived_there(
    made, tiny_llama, nodes, monkeypatch
):
    settings, before = made
    monkeypatch.setattr(derive.LayersHere, "tables", None)
    with open_run(settings, "run") as run:
        key = f"{run.record.study_name}@{run.record.study_hash}"
    request = ExtractionRequest(key, str(tiny_llama), LAYERS, engine="ray", fresh=True, workers=1)
    session_of(settings, "there", request, lambda _: None).run()
    assert contents(settings, "there") == before
    assert nodes.left() == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"workers": 3}, "room for 2 of 3 workers with 1 CPU each"),
        ({"worker_cpus": 2}, "room for 0 of 1 workers with 2 CPUs each"),
        ({"workers": -1}, "-1 workers of 1 CPUs"),
    ],
)
def test_what_the_cluster_lacks_is_said_at_once_and_the_run_stays(made, values, said):
    settings, _ = made
    written = run_path(settings, "run").stat()
    with pytest.raises(ClusterError, match=said):
        deriving(settings, **values).run()
    assert run_path(settings, "run").stat() == written


def test_nodes_with_another_version_of_the_program_are_refused(made, monkeypatch):
    settings, _ = made
    monkeypatch.setattr("backend.runs.ray_layer_worker.DERIVATION", 99)
    with pytest.raises(ClusterError, match="and this machine by version 99") as fault:
        deriving(settings, workers=1).run()
    assert "--engine local" in fault.value.remedy

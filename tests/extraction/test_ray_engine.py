"""Ray: a node that is lost, what is missing, and what is started and ended. What it has in common
with every engine is tested in test_engine_contract.py."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from backend.errors import ClusterError, ExtractionError
from backend.extraction import ray_cluster
from backend.extraction.ray_cluster import connected
from backend.extraction.ray_engine import RayEngine
from backend.runs.engines import engine_of
from backend.runs.session import session_of
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.conftest import REPOSITORY
from tests.support.ray_nodes import PATIENCE_SECONDS, parent, processes, ray_nodes
from tests.support.studies import small_study

LAYERS = (0, 1, 3)


def silent(_):
    pass


@pytest.fixture(scope="module")
def nodes():
    with ray_nodes() as found:
        yield found


@pytest.fixture
def on_nodes(settings, nodes):
    return dataclasses.replace(settings, ray_address=nodes.address)


def wanted(model, **values):
    return ExtractionRequest("s@0", str(model), LAYERS, engine="ray", **values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"workers": 3}, "room for 2 of 3 workers with 1 CPU each"),
        ({"worker_cpus": 2}, "room for 0 of 1 workers with 2 CPUs each"),
        ({"device": "cuda"}, "room for 0 of 1 workers with 1 CPU and 1 GPU each"),
    ],
)
def test_what_the_cluster_lacks_is_said_before_the_model_is_looked_for(on_nodes, values, said):
    engine = RayEngine(on_nodes, wanted("no/such-model", **values))
    with pytest.raises(ClusterError, match=said) as fault, engine.opened(small_study(), silent):
        raise AssertionError("opened")
    assert "1 CPUs and 0 GPUs" in fault.value.expected


def test_one_connection_at_a_time(nodes):
    with (
        connected(nodes.address) as cluster,
        pytest.raises(ClusterError, match="connected to a Ray cluster already"),
        connected(nodes.address),
    ):
        raise AssertionError(cluster)


@pytest.mark.long
def test_a_lost_node_leaves_the_run_as_this_process_makes_it(on_nodes, nodes, tiny_llama):
    study = small_study(scenarios=14)
    ref = publish_study(on_nodes, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(tiny_llama), LAYERS, batch_tokens=64, fresh=True)
    session_of(on_nodes, "here", request, silent).run()
    there = dataclasses.replace(request, engine="ray")
    session = session_of(on_nodes, "there", there, silent)
    session.extract_some(0.0)  # one batch
    opened = session._plan.source
    opened.workers.wait_for_all()
    assert [nodes.has(worker.pid) for worker in opened.workers.joined].count(True) == 1
    # Both nodes have batches on their way when one of them is killed.
    assert session.extract_some(0.0)
    assert opened.workers.ahead == 4
    nodes.kill_other()
    session.run()
    with open_run(on_nodes, "here") as one, open_run(on_nodes, "there") as other:
        assert (one.record.engine, other.record.engine) == ("local", "ray")
        assert {"ray", "torch"} <= set(other.record.versions)
        for layer in LAYERS:
            for kind in ("prompt", "response"):
                mine, theirs = (run.activations(kind, layer, 0, 1000) for run in (one, other))
                assert len(mine) > 10
                assert np.array_equal(mine, theirs)
    # What one engine has made, the other takes.
    again = dataclasses.replace(request, fresh=False)
    session_of(on_nodes, "again", again, silent).run()
    with open_run(on_nodes, "again") as run:
        assert sum(run.record.reused.values()) == len(study.prompts) + len(study.responses)


@pytest.mark.long
def test_ray_alone_is_started_for_the_run_and_ended_with_it(settings, tiny_llama, monkeypatch):
    # Another cluster that the environment names is not the one that was asked for.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    before = set(children())
    engine = RayEngine(settings, wanted(tiny_llama, workers=1))
    with engine.opened(small_study(scenarios=2), silent) as opened:
        assert len(opened.pool(opened.batches[0]).counts) == len(opened.batches[0].texts)
        assert set(children()) > before
    assert set(children()) == before


def children():
    return [pid for pid in processes() if parent(pid) == os.getpid()]


class BusyMachine:
    """Ray where it does not start in its time a few times."""

    __version__ = "0"

    def __init__(self, failures):
        self.failures, self.threads, self.ended = failures, [], 0

    def init(self, **_):
        # The last start ends with the thread before.
        assert not any(thread.is_alive() for thread in self.threads)
        self.threads.append(threading.current_thread())
        if len(self.threads) <= self.failures:
            raise TimeoutError("The current node timed out during startup.")

    def shutdown(self):
        self.ended += 1


def test_ray_alone_is_started_again_where_the_machine_is_too_busy(monkeypatch):
    ray = BusyMachine(failures=2)
    monkeypatch.setitem(sys.modules, "ray", ray)
    told = []
    with connected("", told.append) as cluster:
        assert cluster.address == "this machine"
        assert [progress.stage for progress in told] == [
            "starting Ray on this machine",
            "Ray did not start in time; starting it again (2 of 4)",
            "Ray did not start in time; starting it again (3 of 4)",
        ]
        assert ray.threads[-1].is_alive()
    assert ray.ended == 3 and not any(thread.is_alive() for thread in ray.threads)


def test_ray_that_does_not_start_is_given_up(monkeypatch):
    ray = BusyMachine(failures=9)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(ClusterError, match="in 4 tries: The current node timed out") as fault:
        connected("").__enter__()
    assert "--engine local" in fault.value.remedy
    assert len(ray.threads) == 4 and not any(thread.is_alive() for thread in ray.threads)


def test_a_cancel_ends_the_start_of_ray(monkeypatch):
    ray, waited = BusyMachine(failures=0), threading.Event()
    monkeypatch.setattr(ray, "init", lambda **_: waited.wait(PATIENCE_SECONDS))
    monkeypatch.setattr(ray_cluster, "_TELL_SECONDS", 0.01)
    monkeypatch.setitem(sys.modules, "ray", ray)
    told = []

    def cancelled(progress):
        told.append(progress.stage)
        if len(told) == 3:
            waited.set()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        connected("", cancelled).__enter__()
    assert told == ["starting Ray on this machine"] * 3
    monkeypatch.setattr(ray, "init", lambda **_: None)
    with connected(""):
        assert ray.ended == 1


def test_an_address_without_a_cluster_is_refused_at_once():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"no Ray cluster to use at {address}"):
            connected(address).__enter__()
    with pytest.raises(ClusterError, match="is not the address of a Ray cluster") as fault:
        connected("ray://head").__enter__()
    assert "host:port" in fault.value.expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"device": "cuda:1"}, "'cuda:1'"),
        ({"workers": -1}, "-1 workers"),
        ({"worker_cpus": 0}, "of 0 CPUs each"),
    ],
)
def test_what_no_cluster_has_is_refused_before_one_is_reached(settings, values, said):
    with pytest.raises(ClusterError, match=said):
        RayEngine(settings, wanted("m", **values))


def test_an_engine_that_is_not_there_is_refused():
    with pytest.raises(ExtractionError, match="no engine 'cluster'") as fault:
        engine_of(ExtractionRequest("s@0", "m", LAYERS, engine="cluster"))
    assert "local, ray" in fault.value.expected


def test_without_the_package_its_file_of_requirements_is_named(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match="needs the package ray") as fault:
        connected("").__enter__()
    assert "requirements-ray.txt" in fault.value.remedy and "--engine local" in fault.value.remedy


def test_nothing_else_needs_the_package():
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "import backend.cli.commands, backend.runs.session, backend.extraction.ray_workers\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)

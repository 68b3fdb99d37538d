"""Layers that other processes of this machine derive are those that this one derives."""

from __future__ import annotations

import dataclasses
import os
import signal
import time

import numpy as np
import pytest

from backend.core.vectors.methods import METHODS
from backend.runs import layers_beside as beside
from backend.runs.derivation_session import DerivationSession
from backend.runs.layer_process import HeldChunks, LayerProcess
from backend.runs.layer_task import LayerTask, without_texts
from backend.runs.layers_beside import layers_beside
from backend.store.run import open_run
from tests.support.runs import contents, publish_run
from tests.support.studies import small_study

LAYERS = (0, 1, 2, 3)
STUDY = small_study(scenarios=14)
NAMES = tuple(method.name for method in METHODS)


@pytest.fixture
def made(settings, tiny_llama, monkeypatch):
    """What a run holds that this process derived; from then on, others are worth their start."""
    publish_run(settings, STUDY, tiny_llama, "run", LAYERS)
    monkeypatch.setattr(beside, "blas_threads", lambda: 3)
    monkeypatch.setattr(beside, "WORTH", 0.0)
    monkeypatch.setattr("backend.runs.steps.DERIVE_SECONDS", 0.0)
    return contents(settings, "run")


def waited_for(processes):
    """All are ready for a layer."""
    deadline = time.monotonic() + 60
    while not all(process.ready() or process.layer is not None for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def session(settings):
    return DerivationSession(settings, "run", lambda _: None)


@pytest.mark.parametrize("harm", [None, "killed", "ended before"])
def test_the_tables_are_those_of_one_process_whatever_is_lost(settings, made, harm):
    deriving = session(settings)
    assert deriving.derive_some()
    processes = list(deriving._derivers._open.processes)
    assert len(processes) == 2
    if harm == "ended before":
        os.kill(processes[0].pid, signal.SIGKILL)
        processes[0]._process.wait()
    waited_for(processes[harm == "ended before" :])
    assert deriving.derive_some()
    assert [p.layer for p in processes] == ([None, 2] if harm == "ended before" else [2, 3])
    if harm == "killed":
        os.kill(processes[0].pid, signal.SIGKILL)
    while deriving.derive_some():
        pass
    deriving.publish()
    deriving.close()
    assert contents(settings, "run") == made
    assert all(process._process.returncode is not None for process in processes)


def test_a_layer_that_fails_in_another_process_is_told_and_the_process_goes_on():
    process = LayerProcess(without_texts(STUDY), NAMES)
    rng = np.random.default_rng(0)
    prompts = rng.normal(size=(len(STUDY.prompts), 8))
    rows = rng.normal(size=(len(STUDY.responses), 8)).astype(np.float32)
    whole = LayerTask(1, prompts, HeldChunks((rows,)), "cpu", tuple(STUDY.traits), {})
    try:
        waited_for([process])
        process.give(dataclasses.replace(whole, prompts=prompts[:3]))
        assert process.result(lambda: None) is None
        assert process.ready()
        process.give(whole)
        found = process.result(lambda: None)
        assert found is not None and len(found["correlations"]) > 0
    finally:
        process.close()


@pytest.mark.parametrize(
    ("record", "threads", "free", "others"),
    [
        ({"device": "cpu", "width": 8}, 4, None, 3),
        ({"device": "cpu", "width": 8}, 64, 2**40, beside.MOST_PROCESSES - 1),
        ({"device": "cpu", "width": 8}, 1, 2**40, 0),
        ({"device": "cpu", "width": 8}, 4, 5 * 2**29, 2),
        ({"device": "cpu", "width": 8}, 4, 2**29, 0),
        ({"device": "cuda:0", "width": 8}, 4, 2**40, 0),
        ({"device": "cpu", "width": 2**25}, 4, 2**40, 0),
    ],
)
def test_others_help_where_they_can(settings, monkeypatch, made, record, threads, free, others):
    monkeypatch.setattr(beside, "blas_threads", lambda: threads)
    monkeypatch.setattr(beside, "free_bytes", lambda _: free)
    with open_run(settings, "run") as run:
        own = dataclasses.replace(run.record, **record)
    with layers_beside(STUDY, METHODS, own) as deriver:
        assert deriver._others == others and not deriver.processes

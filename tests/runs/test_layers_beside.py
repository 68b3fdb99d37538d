"""Layers that other processes of this machine derive are those that this one derives."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.core.vectors.methods import METHODS
from backend.runs import layers_beside as beside
from backend.runs.derivation_session import DerivationSession
from backend.runs.layer_process import HeldChunks, LayerProcess
from backend.runs.layer_task import LayerTask, without_texts
from backend.runs.layers_beside import LayersBeside, layers_beside
from backend.store.run import open_run
from tests.support.runs import contents, publish_run
from tests.support.studies import small_study

ROOT = Path(__file__).resolve().parents[2]
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


def session(settings):
    return DerivationSession(settings, "run", lambda _: None)


@pytest.mark.parametrize("harm", [None, "killed as it starts", "killed at work"])
def test_the_tables_are_those_of_one_process_whatever_is_lost(settings, made, harm):
    deriving = session(settings)
    assert deriving.derive_some()
    one, other = deriving._derivers._open.processes
    assert (one.layers, other.layers) == ((1, 3), (2,))
    if harm == "killed at work":
        one._begun.result(60)
    if harm is not None:
        os.kill(one.pid, signal.SIGKILL)
    while deriving.derive_some():
        pass
    assert (one in deriving._derivers._open.processes) == (harm is None)
    deriving.publish()
    deriving.close()
    assert contents(settings, "run") == made
    assert all(process._process.returncode is not None for process in (one, other))


def test_a_layer_that_fails_in_another_process_is_told_and_the_process_goes_on():
    process = LayerProcess(without_texts(STUDY), NAMES)
    rng = np.random.default_rng(0)
    prompts = rng.normal(size=(len(STUDY.prompts), 8))
    rows = rng.normal(size=(len(STUDY.responses), 8)).astype(np.float32)
    whole = LayerTask(1, prompts, HeldChunks((rows,)), "cpu", tuple(STUDY.traits), {})
    try:
        process.give(dataclasses.replace(whole, layer=0, prompts=prompts[:3]))
        process.give(whole)
        process.wait(0, lambda: None)
        assert process.result(0) is None and not process.lost
        process.wait(1, lambda: None)
        found = process.result(1)
        assert found is not None and len(found["correlations"]) > 0
        assert process.layers == ()
    finally:
        process.close()


class Scripted:
    """A process of which a test says what it has begun and what it has done."""

    def __init__(self, *spec):
        self.layers, self.begun, self.finished, self.lost = [], set(), set(), False

    def give(self, task):
        self.layers.append(task.layer)

    def take_back(self, layer):
        if layer in self.begun:
            return False
        self.layers.remove(layer)
        return True

    def done(self, layer):
        return layer in self.finished

    def wait(self, layer, waiting):
        waiting()
        self.finished.add(layer)

    def result(self, layer):
        self.layers.remove(layer)
        return {"there": layer}

    def close(self):
        pass


@pytest.fixture
def scripted(monkeypatch):
    """A deriver with one scripted process, the layers derived here, and what gives a layer."""
    monkeypatch.setattr(beside, "LayerProcess", Scripted)
    monkeypatch.setattr(beside, "WORTH", 0.0)
    here = []

    def derived(self, layers, task, waiting):
        here.append(layers[0])
        return {"here": layers[0]}

    monkeypatch.setattr(beside.LayersHere, "tables", derived)
    rows = HeldChunks((np.zeros((1, 1), np.float32),))

    def task(layer):
        return LayerTask(layer, np.zeros((1, 1)), rows, "cpu", (), {})

    return LayersBeside(STUDY, METHODS, 1, 1.0), here, task


def test_while_another_is_at_the_layer_that_is_wanted_a_later_one_is_derived(scripted):
    deriver, here, task = scripted
    layers = (0, 1, 2, 3, 4, 5)
    assert deriver.tables(layers, task, pytest.fail) == {"here": 0}
    (process,) = deriver.processes
    assert process.layers == [1, 2]
    process.begun = {1}
    process.finished = set()
    process.done = lambda layer: layer == 1 and 3 in here  # ready once another was derived
    assert deriver.tables(layers[1:], task, pytest.fail) == {"there": 1}
    assert here == [0, 3] and process.layers == [2]
    # The next is not begun, so it is taken back unless there is more to do here.
    process.done = lambda layer: False
    assert deriver.tables(layers[2:], task, pytest.fail) == {"here": 2}
    assert deriver.tables(layers[3:], task, pytest.fail) == {"here": 3}
    assert sorted([*here, *process.layers]) == sorted({*here, *process.layers})


def test_where_others_are_at_all_that_is_left_it_is_waited_for(scripted):
    deriver, here, task = scripted
    deriver.tables((0, 1), task, pytest.fail)
    (process,) = deriver.processes
    process.begun = {1}
    told = []
    assert deriver.tables((1,), task, lambda: told.append(1)) == {"there": 1}
    assert here == [0] and told == [1]

    def cancelled():
        raise InterruptedError

    deriver.tables((2, 3), task, pytest.fail)
    process.begun = {3}
    with pytest.raises(InterruptedError):
        deriver.tables((3,), task, cancelled)


def test_what_a_lost_process_had_is_derived_here(scripted):
    deriver, here, task = scripted
    deriver.tables((0, 1, 2), task, pytest.fail)
    (process,) = deriver.processes
    process.begun = process.finished = {1, 2}

    def result(layer):
        process.lost = True

    process.result = result
    assert deriver.tables((1, 2), task, pytest.fail) == {"here": 1}
    assert deriver.tables((2,), task, pytest.fail) == {"here": 2}
    assert not deriver.processes and here == [0, 1, 2]


@pytest.mark.parametrize("module", ["backend.runs.layer_process", "backend.jobs.worker"])
def test_processes_that_derive_start_without_what_they_do_not_need(module):
    code = (
        f"import sys, {module}; "
        "print([name for name in ('torch', 'sklearn', 'scipy.stats', 'scipy.optimize')"
        " if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


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
    monkeypatch.setattr(beside, "computing_device", lambda made_on: made_on)
    with open_run(settings, "run") as run:
        own = dataclasses.replace(run.record, **record)
    with layers_beside(STUDY, METHODS, own) as deriver:
        assert deriver._others == others and not deriver.processes

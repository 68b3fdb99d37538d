"""The job that measures dose-responses: begun again it keeps what is complete, published once."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from backend.asking.answers import open_answers
from backend.asking.endpoint import Endpoint
from backend.jobs.kinds import KINDS
from backend.jobs.leaving import Left
from backend.settings import Settings
from backend.steering.dose_request import DosePlan, DoseRequest
from backend.steering.vectors import VectorSource
from backend.store.dose import dose_list
from tests.conftest import REPOSITORY
from tests.support.endpoint import completion, served
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.telling import Telling

DOSE = KINDS["dose"]
TASK = "dose-20260131-120000-0a1b2c3d"
PLAN = DosePlan(VectorSource("run-1", "haste"), (1.0,), questions=2, directions=2, tokens=4)
REQUEST = DoseRequest(PLAN, layers=(1, 2))

# A worker that dies while it measures the second layer.
DYING = """
import json, os, signal, sys
from pathlib import Path
from backend.settings import Settings
from tests.jobs.test_dose import DOSE, TASK
from tests.support.telling import Telling
settings = Settings(cache=Path(sys.argv[1]))

def die(now):
    if list(settings.doses.glob("*.json")):
        os.kill(os.getpid(), signal.SIGKILL)

DOSE.work(settings, json.loads(sys.argv[2]), Telling(TASK, die))
"""


@pytest.fixture
def store(settings, tiny_llama) -> Settings:
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return settings


def kept(settings):
    """Name -> content of what is published, with the time of its file."""
    return {
        path.stem: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in settings.doses.glob("*.json")
    }


def numbers(settings):
    """Layer -> measures and answers of what is published."""
    return {
        record.steered.layer: (record.measures, record.answers)
        for record in dose_list(settings).doses
    }


@pytest.mark.long
def test_a_task_that_was_killed_keeps_its_complete_layers(store, tmp_path):
    values = REQUEST.to_json()
    worker = [sys.executable, "-c", DYING, str(store.cache), json.dumps(values)]
    died = subprocess.run(worker, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    (first,) = kept(store).items()
    names = DOSE.work(store, values, Telling(TASK))
    assert len(names) == 2 and kept(store).keys() == set(names) and names[0] == first[0]
    assert kept(store)[names[0]] == first[1]
    # Begun again once more, after its last layer: nothing is measured, and no model loaded.
    before, again = kept(store), Telling(TASK)
    assert DOSE.work(store, values, again) == names
    assert kept(store) == before and again.stages == []
    found = numbers(store)
    # What one begin without an end gives, under another name as it is another task.
    others = DOSE.work(store, values, Telling("dose-20260131-120000-ffffffff"))
    assert not set(others) & set(names)
    for name in names:
        (store.doses / f"{name}.json").unlink()
    whole = numbers(store)
    assert sorted(found) == [1, 2] == sorted(whole)
    for layer, (measures, answers) in found.items():
        assert whole[layer][1] == answers
        for measure, arrays in measures.items():
            for one, other in zip(arrays, whole[layer][0][measure], strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_worker_that_has_lost_the_job_publishes_nothing(store):
    def lost(now):
        if now:
            raise Left("taken over")

    with pytest.raises(Left):
        DOSE.work(store, REQUEST.to_json(), Telling(TASK, lost))
    assert kept(store) == {}


def test_a_judge_that_another_job_asks_is_waited_for(settings, tiny_llama):
    study = dataclasses.replace(small_study(), traits={"warmth": "is warm.", "haste": "is hasty."})
    publish_run(settings, study, tiny_llama, "run-1")
    other = ExitStack()

    class Waiting(Telling):
        def progress(self, progress):
            super().progress(progress)
            if progress.stage.startswith("waiting"):
                other.close()

    tell = Waiting(TASK)
    with served(lambda body: completion("7")) as server, other:
        judge = {"judge_url": server.url, "judge_model": "judge"}
        other.enter_context(open_answers(settings, Endpoint(server.url, "judge"), tell.progress))
        assert tell.stages == []
        DOSE.work(settings, dataclasses.replace(REQUEST, layers=(1,), **judge).to_json(), tell)
    assert "waiting for another job or command that asks judge" in tell.stages
    (record,) = dose_list(settings).doses
    assert (record.measures["score"][0] == 7).all()

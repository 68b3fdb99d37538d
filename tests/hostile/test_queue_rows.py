"""A queue file of anybody: nothing in it runs, and what is no job hides no job."""

from __future__ import annotations

import base64
import json
import pickle
import sqlite3
import subprocess
import sys

import pytest

from backend.errors import JobError
from backend.jobs.queue import JobQueue
from backend.jobs.rows import QueueTables
from backend.settings import Settings
from backend.types import ExtractionRequest

INPUTS = "UPDATE workflow_input SET inputs = ? WHERE workflow_uuid = 'odd'"
REQUEST = ExtractionRequest("a@b", "org/model", (3, 4))


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), "w")


def bomb(path):
    return base64.b64encode(pickle.dumps(Runs(path))).decode()


def change(settings: Settings, statement, *values):
    with sqlite3.connect(settings.jobs / "queue.sqlite") as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.fixture
def queue(settings):
    made = JobQueue(settings)
    made.enqueue(REQUEST, "sound")
    made.enqueue(REQUEST, "odd")
    yield made
    made.close()


@pytest.mark.parametrize("column", ["inputs", "output", "error"])
def test_a_pickled_row_runs_nothing_and_is_told_with_what_to_do(settings, queue, tmp_path, column):
    sign = tmp_path / "it ran"
    change(
        settings,
        "UPDATE workflow_status SET serialization = 'py_pickle' WHERE workflow_uuid = 'odd'",
    )
    if column == "inputs":
        change(settings, INPUTS, bomb(sign))
    else:
        change(
            settings,
            f"INSERT INTO workflow_output (workflow_uuid, {column}, retention_timestamp)"
            " VALUES ('odd', ?, 0)",
            bomb(sign),
        )
    queue.jobs()
    assert [job.run_id for job in queue.jobs() if job.run_id == "sound"] == ["sound"]
    assert queue.progress("odd") is None
    fault = queue.refused()
    assert "'py_pickle' (table workflow_status)" in fault.what and "move the queue" in fault.remedy
    done = subprocess.run(
        [sys.executable, "-m", "backend", "worker", "--no-sample"],
        env={"PATH": "/usr/bin:/bin", "STEERSCOPE_CACHE": str(settings.cache)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and "could run code" in done.stderr, done.stderr
    assert not sign.exists()


def test_a_pickled_progress_runs_nothing(settings, queue, tmp_path):
    sign = tmp_path / "it ran"
    change(
        settings,
        "INSERT INTO workflow_events (workflow_uuid, key, value, serialization)"
        " VALUES ('sound', 'progress', ?, 'py_pickle')",
        bomb(sign),
    )
    assert queue.progress("sound") is None
    assert "(table workflow_events)" in queue.refused().what
    assert not sign.exists()


def test_unpickling_is_gone_from_dbos_in_this_process(tmp_path):
    """The library may move it: then this fails, and not the refusal alone."""
    from dbos import _serialization

    sign = tmp_path / "it ran"
    data = bomb(sign)
    pickle.loads(base64.b64decode(data)).close()
    assert sign.exists()
    sign.unlink()
    for read in (
        lambda: _serialization.deserialize_value(data, "py_pickle", None),
        lambda: _serialization.deserialize_args(data, "py_pickle", None),
        lambda: _serialization.deserialize_exception(data, "py_pickle", None),
        lambda: _serialization.DBOSDefaultSerializer.deserialize(data),
    ):
        with pytest.raises(JobError, match="would run code"):
            read()
    assert not sign.exists()


GOOD = {"study": "a@b", "model": "m", "layers": [1]}
ODD = {
    "no json": "{",
    "no list": json.dumps(3),
    "no arguments": json.dumps({"positionalArgs": [], "namedArgs": {}}),
    "no request": json.dumps({"positionalArgs": ["x"], "namedArgs": {}}),
    "unknown field": json.dumps({"positionalArgs": [GOOD | {"more": 1}], "namedArgs": {}}),
    "lacking field": json.dumps({"positionalArgs": [{"layers": [1]}], "namedArgs": {}}),
    "no layers": json.dumps({"positionalArgs": [GOOD | {"layers": "8-19"}], "namedArgs": {}}),
    "no text": json.dumps({"positionalArgs": [GOOD | {"model": {"a": 1}}], "namedArgs": {}}),
}


@pytest.mark.parametrize("row", ODD.values(), ids=ODD)
def test_a_row_that_is_no_job_hides_none(settings, queue, row):
    change(settings, INPUTS, row)
    assert [job.run_id for job in queue.jobs()] == ["sound"]
    with pytest.raises(JobError, match="No job is called 'odd'"):
        queue.job("odd")
    assert queue.refused() is None


def test_a_job_named_like_a_path_is_none(settings, queue):
    for table in ("workflow_status", "workflow_input"):
        change(settings, f"UPDATE {table} SET workflow_uuid = '../x' WHERE workflow_uuid = 'odd'")
    assert [job.run_id for job in queue.jobs()] == ["sound"]


@pytest.mark.parametrize("value", ["3", "[]", '{"stage": 3}', '{"stage": "a", "done": "x"}', "{}"])
def test_a_progress_that_is_none_is_none(settings, queue, value):
    change(
        settings,
        "INSERT INTO workflow_events (workflow_uuid, key, value, serialization)"
        " VALUES ('sound', 'progress', ?, 'portable_json')",
        value,
    )
    assert queue.progress("sound") is None
    tables = QueueTables(settings)
    assert tables.refused() is None
    tables.close()

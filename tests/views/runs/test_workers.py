"""The workers of all machines, in words and as a table."""

from __future__ import annotations

from backend.jobs.workers import WorkerBeat
from backend.views.runs.workers import worker_rows, workers_words


def beat(name, host, seconds=1.4):
    return WorkerBeat(name, host, "0123abcd", f"/cache/of/{host}", 7, seconds)


def test_workers_are_listed_by_machine_with_what_they_do():
    workers = [beat("gpu2-b-1", "gpu2"), beat("gpu1-a-2", "gpu1", -0.2), beat("gpu1-a-1", "gpu1")]
    at_work = {"run-2": "gpu1-a-1", "chat": "gpu1-a-1", "lost": "gpu9-z-1"}
    rows = worker_rows(workers, at_work)
    assert [(row["machine"], row["worker"], row["works on"]) for row in rows] == [
        ("gpu1", "gpu1-a-1", "chat, run-2"),
        ("gpu1", "gpu1-a-2", "nothing"),
        ("gpu2", "gpu2-b-1", "nothing"),
    ]
    assert [row["last heard of"] for row in rows] == ["1 s ago", "0 s ago", "1 s ago"]
    assert rows[2]["cache"] == "/cache/of/gpu2"
    assert workers_words(workers, 30.0).startswith("3 workers on 2 machines.")
    assert "for 30 seconds" in workers_words(workers[:1], 30.0)
    assert workers_words(workers[:1], 7.5).startswith("1 worker on 1 machine.")

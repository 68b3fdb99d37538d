"""The SQL of docs/tables.md runs, names every table, and gives what it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.support.raw import reading_run
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tables.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def run(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run", (1, 2))
    with reading_run(settings, "run") as connection:
        yield connection


def test_every_query_of_the_page_runs(run):
    assert len(QUERIES) >= 3
    for query in QUERIES:
        assert run.execute(query).fetchall(), query


def test_the_page_names_every_table(run):
    tables = {row[0] for row in run.execute("SHOW TABLES").fetchall()} - {"file_format"}
    named = set(re.findall(r"`(\w+)`", TEXT))
    assert tables <= named, tables - named


def test_r_by_hand_from_the_last_query_is_the_stored_one(run, settings):
    rows = [row for row in run.execute(QUERIES[-1]).fetchall() if row[:2] == ("warmth", 1)]
    projection, value = np.array([row[3:] for row in rows]).T
    stored = next(c for c in cells(settings, "run", "warmth") if c.key.layer == 1)
    assert stats.pearsonr(projection, value).statistic == pytest.approx(stored.correlation.value)

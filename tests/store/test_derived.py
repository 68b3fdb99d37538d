"""A run with damaged derived tables is refused in a sentence, and whole when derived again."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from backend.cli.main import main
from backend.core.vectors.methods import METHODS
from backend.errors import UnreadableFile
from backend.store.catalog import run_list
from backend.store.run import delete_run, list_run_ids, open_run, run_path
from backend.store.schema import DERIVED_TABLES
from tests.support.damage import SHAPES, VALUES, damage
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study

AGAIN = "derive it again with: python -m backend derive"


def copied(settings, run_id):
    shutil.copyfile(run_path(settings, run_id), run_path(settings, "bad"))


def test_sound_runs_are_not_refused(settings, tiny_llama):
    publish_small_phantom(settings)
    publish_run(settings, small_study(), tiny_llama, "drifts")
    publish_run(settings, small_study(turns=False), tiny_llama, "levels")
    publish_run(settings, small_study(scenarios=0), tiny_llama, "geometry")
    for run_id in list_run_ids(settings):
        with open_run(settings, run_id) as run:
            assert run.damaged_values() is None


@pytest.mark.parametrize("statement", SHAPES)
def test_a_damaged_shape_is_told_at_the_door(settings, tiny_llama, statement):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    copied(settings, "run-1")
    damage(settings, "bad", statement)
    with pytest.raises(UnreadableFile) as refused, open_run(settings, "bad"):
        pass
    assert SHAPES[statement] in refused.value.what and AGAIN in refused.value.remedy
    found = run_list(settings)
    assert [run.run_id for run in found.runs] == ["run-1"]
    assert SHAPES[statement] in found.broken["bad.duckdb"] and AGAIN in found.broken["bad.duckdb"]


def read_all(settings, run_id):
    """Whatever takes the shape of stored arrays for granted."""
    with open_run(settings, run_id) as run:
        for trait in run.traits:
            run.product_cases("identity", trait, "default", 1)
            for drifts, behaviour in run.drifts(trait=trait).values():
                for drift in drifts.values():
                    run.scored_cases(trait).cases(drift, behaviour)


@pytest.mark.parametrize("statement", VALUES)
def test_a_damaged_value_is_told_when_it_is_read(settings, tiny_llama, statement):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    read_all(settings, "run-1")
    copied(settings, "run-1")
    damage(settings, "bad", statement)
    with pytest.raises(UnreadableFile) as refused:
        read_all(settings, "bad")
    assert VALUES[statement] in refused.value.what and AGAIN in refused.value.remedy


def test_a_fault_of_the_program_keeps_its_traceback(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    with pytest.raises(LookupError, match="ours"), open_run(settings, "run-1"):
        raise LookupError("ours")


@pytest.mark.parametrize("statement", ["DROP TABLE gram", "ALTER TABLE behaviours DROP value"])
def test_deriving_again_makes_it_whole(settings, tiny_llama, monkeypatch, capsys, statement):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(), tiny_llama, "run-1")
    copied(settings, "run-1")
    damage(settings, "bad", statement)
    assert main(["show", "bad"]) != 0
    assert AGAIN in capsys.readouterr().err
    assert main(["derive", "bad"]) == 0
    read_all(settings, "bad")
    tables = [
        [
            connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in DERIVED_TABLES
        ]
        for connection in (
            duckdb.connect(str(run_path(settings, name)), read_only=True)
            for name in ("run-1", "bad")
        )
    ]
    assert tables[0] == tables[1] and len(METHODS) > 1


def test_a_damaged_run_can_be_deleted(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "bad")
    damage(settings, "bad", "DROP TABLE vectors")
    delete_run(settings, "bad")
    assert list_run_ids(settings) == ()

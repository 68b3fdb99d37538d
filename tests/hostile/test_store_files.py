"""A run, study or vector file of anybody: it runs nothing, reaches no other file, and what is
damaged in it takes no neighbour with it."""

from __future__ import annotations

import random
import shutil

import duckdb
import pytest

from backend.errors import StoreError, UnreadableFile
from backend.names import file_in
from backend.runs.saved_vectors import saved_list
from backend.store import catalog
from backend.store.catalog import run_list, study_list
from backend.store.connection import damage_of, reading
from backend.store.file_cache import FileIdentity
from backend.store.run import open_run, run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.phantom_store import publish_small_phantom
from tests.support.studies import small_study

# What a file may bring along -> what is said of it.
BROUGHT = {
    "DROP TABLE prompts; CREATE VIEW prompts AS SELECT * FROM read_text('{secret}')": "the view",
    "CREATE VIEW more AS SELECT * FROM read_text('{secret}')": "the view 'more'",
    "CREATE MACRO isfinite(x) AS true": "the macro 'isfinite'",
    "CREATE MACRO count(x) AS 7": "the macro 'count'",
    # Stands in for the listing that would have told of it.
    "CREATE MACRO duckdb_functions() AS TABLE SELECT 'a' AS function_name, true AS internal": (
        "the macro 'duckdb_functions'"
    ),
    "CREATE TYPE pole AS ENUM ('high', 'low')": "the type 'pole'",
    "CREATE SEQUENCE s": "the sequence 's'",
    "CREATE INDEX i ON prompts (pole)": "the index 'i'",
    "CREATE TABLE more (a INTEGER)": "the table 'more'",
    "CREATE SCHEMA other; CREATE TABLE other.prompts (a INTEGER)": "the table 'prompts'",
    "ALTER TABLE prompts ADD COLUMN more VARCHAR": "the column 'more'",
    "ALTER TABLE prompts ALTER COLUMN text SET DEFAULT (random()::VARCHAR)": "computed by",
    "ALTER TABLE scores ALTER COLUMN score TYPE VARCHAR": "is VARCHAR instead of DOUBLE",
    "DROP TABLE traits; CREATE TABLE traits (position INTEGER, trait VARCHAR, description VARCHAR"
    " CHECK (length(description) < 1000000))": "a CHECK constraint",
    "DROP TABLE traits; CREATE TABLE traits (position INTEGER, trait VARCHAR,"
    " description VARCHAR GENERATED ALWAYS AS (repeat(trait, 9)))": "computed by",
    "UPDATE prompts SET trait = '../../up'": "trait '../../up' holds one of",
    "UPDATE prompts SET prompt_set = '<img src=x>'": "prompt_set '<img src=x>' holds one of",
}


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    from backend.settings import Settings

    settings = Settings(cache=tmp_path_factory.mktemp("store"))
    settings.make_folders()
    study = small_study(scenarios=3)
    ref = publish_study(settings, study, content_hash(study))
    return settings.studies / f"{ref.key}.duckdb"


@pytest.mark.parametrize("statement", BROUGHT, ids=range(len(BROUGHT)))
def test_a_file_with_more_than_tables_is_refused_by_name(settings, study_file, tmp_path, statement):
    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    shutil.copyfile(study_file, settings.studies / "sound@0.duckdb")
    bad = settings.studies / "bad@0.duckdb"
    shutil.copyfile(study_file, bad)
    with duckdb.connect(str(bad)) as connection:
        for part in statement.format(secret=secret).split("; "):
            connection.execute(part)
    found = study_list(settings)
    assert [study.key for study in found.studies] == ["sound@0"]
    assert BROUGHT[statement] in found.broken["bad@0.duckdb"]
    assert "private" not in found.broken["bad@0.duckdb"]


def test_an_open_file_reaches_nothing_outside_itself(settings, study_file, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    with reading(study_file, "study") as connection:
        for statement in (
            f"SELECT * FROM read_text('{secret}')",
            f"COPY prompts TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'other.duckdb'}' AS other",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '1TB'",
            "SET threads = 99",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert not (tmp_path / "out.csv").exists()


def test_flipped_and_cut_files_are_named_and_take_no_neighbour_with_them(settings):
    """24 flips and 8 cuts, seeded: whoever is still listed reads as the whole file does."""
    draw = random.Random(13)
    _, (first, second) = publish_small_phantom(settings)
    run_path(settings, second).unlink()
    whole = run_path(settings, first).read_bytes()
    for number in range(32):
        data = bytearray(whole)
        if number < 24:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        else:
            del data[draw.randrange(1, len(data)) :]
        run_path(settings, f"bad-{number}").write_bytes(data)
    found = run_list(settings)
    listed = [path for path in settings.runs.glob("bad-*") if path.name not in found.broken]
    assert len(found.runs) + len(found.broken) == 33
    assert {f"bad-{number}.duckdb" for number in range(24, 32)} <= set(found.broken)
    assert len(found.broken) >= 20, [path.name for path in listed]
    expected = _dump(run_path(settings, first))
    for path in listed:
        assert _dump(path) == expected, path.name


def _dump(path):
    with reading(path, "run") as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return {
            name: connection.execute(f'SELECT * FROM "{name}"').fetchall()
            for (name,) in names
            if name not in ("prompt_activations", "response_activations", "vectors")
        }


def test_a_file_damaged_while_it_is_shown_leaves_the_list(settings, monkeypatch):
    _, (first, second) = publish_small_phantom(settings)
    assert len(run_list(settings).runs) == 2
    with pytest.raises(UnreadableFile, match="checksum"), open_run(settings, second):
        raise duckdb.Error("Corrupt database file: computed checksum 1 does not match 2")
    found = run_list(settings)
    assert [run.run_id for run in found.runs] == [first]
    assert "checksum" in found.broken[f"{second}.duckdb"]
    # Copied anew it is another file.
    shutil.copyfile(run_path(settings, second), settings.cache / "copy")
    (settings.cache / "copy").replace(run_path(settings, second))
    assert damage_of(FileIdentity.of(run_path(settings, second))) is None
    assert len(run_list(settings).runs) == 2
    assert catalog.run_summary(settings, second).run_id == second


def test_a_damaged_vector_is_named_too(settings):
    settings.vectors.mkdir(parents=True, exist_ok=True)
    path = settings.vectors / "v.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW vector AS SELECT 1 AS run_id")
        connection.execute("CREATE TABLE file_format AS SELECT 5 AS format, 'vector' AS kind")
    assert "the view 'vector'" in saved_list(settings).broken["v.duckdb"]


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".", "..", "a..b", ".hidden", "a\nb", "a\0b", "x" * 201, "-rf", "é"]
)
def test_no_name_leaves_its_folder(settings, name):
    with pytest.raises(StoreError, match="cannot name a run"):
        file_in(settings.runs, "run", name)
    with pytest.raises(StoreError, match="cannot name a run"), open_run(settings, name):
        pass

"""Exported tables read back equal to the tables they come from, and land whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import zipfile

import duckdb
import pandas as pd
import pytest

from backend.errors import ExportError
from backend.exports.download import as_bytes, size_text
from backend.exports.tables import (
    FORMATS,
    TableSource,
    list_tables,
    offered,
    total_bytes,
    write_archive,
    write_table,
    write_tables,
)
from backend.store.atomic import atomic_file, atomic_folder
from backend.store.study import ACTIVATION_TABLES, publish_study
from backend.studies.hashing import content_hash
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def run(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return TableSource("run", "run-1")


def direct(settings, query):
    with duckdb.connect(str(settings.runs / "run-1.duckdb"), read_only=True) as connection:
        return connection.execute(query).df()


def test_every_table_reads_back_equal_as_parquet(settings, run, tmp_path):
    for table in list_tables(settings, run):
        path = tmp_path / f"{table.name}.parquet"
        write_table(settings, run, table.name, "parquet", path)
        back = duckdb.sql(f"SELECT * FROM '{path}'").df()
        expected = direct(settings, f'SELECT * FROM "{table.name}"')
        pd.testing.assert_frame_equal(back, expected)
        assert (table.rows, list(table.columns)) == (len(expected), list(expected.columns))
        assert path.stat().st_size <= table.parquet_bytes


def test_every_table_reads_back_equal_as_csv(settings, run, tmp_path):
    for table in list_tables(settings, run):
        if table.name in ACTIVATION_TABLES:
            assert table.csv_bytes is None
            continue
        path = tmp_path / f"{table.name}.csv"
        write_table(settings, run, table.name, "csv", path)
        kinds = direct(settings, f'DESCRIBE "{table.name}"')
        types = dict(zip(kinds["column_name"], kinds["column_type"], strict=True))
        # A CSV does not say the types; "" is an empty text and an empty field is NULL.
        back = duckdb.sql(
            f"SELECT * FROM read_csv('{path}', header = true, columns = {types!r},"
            " allow_quoted_nulls = false)"
        ).df()
        pd.testing.assert_frame_equal(back, direct(settings, f'SELECT * FROM "{table.name}"'))
        size = path.stat().st_size
        assert abs(table.csv_bytes - size) <= 0.2 * size + 20


def test_an_empty_text_and_a_missing_value_stay_apart_in_csv(settings, run, tmp_path):
    path = tmp_path / "c.csv"
    write_table(settings, run, "correlations", "csv", path)
    plain = pd.read_csv(path)
    expected = direct(settings, "SELECT * FROM correlations")
    pd.testing.assert_series_equal(plain["r"], expected["r"])
    assert "nan" not in path.read_text("utf-8").lower()


def test_the_zip_holds_every_table_whole(settings, run, tmp_path):
    tables = list_tables(settings, run)
    for form in FORMATS:
        taken, left = offered(tables, form, activations=True)
        names = [table.name for table in taken]
        assert [table.name for table in left] == (list(ACTIVATION_TABLES) if form == "csv" else [])
        path = tmp_path / f"all.{form}.zip"
        write_archive(settings, run, names, form, path)
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == [f"run-1/{name}.{form}" for name in names]
            archive.extractall(tmp_path / form)
        single = tmp_path / f"metrics.{form}"
        write_table(settings, run, "metrics", form, single)
        assert (tmp_path / form / "run-1" / single.name).read_bytes() == single.read_bytes()
        assert total_bytes(taken, form) == sum(table.bytes_as(form) for table in taken)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "all.csv.zip",
        "all.parquet.zip",
        "metrics.csv",
        "metrics.parquet",
    ]


def test_a_study_has_tables_too_and_light_downloads_leave_products_out(settings, run):
    study = TableSource("study", "small")
    names = [table.name for table in list_tables(settings, study)]
    assert {"study", "traits", "prompts", "responses", "scores"} <= set(names)
    taken, left = offered(list_tables(settings, run), "parquet", activations=False)
    assert {"gram", "alignment", "moments", *ACTIVATION_TABLES} <= {table.name for table in left}
    assert {"correlations", "vectors", "projections"} <= {table.name for table in taken}


def test_what_is_not_there_is_refused_by_name(settings, run, tmp_path):
    with pytest.raises(ExportError, match="no table 'nothing'"):
        write_table(settings, run, "nothing", "csv", tmp_path / "x")
    with pytest.raises(ExportError, match="not offered as CSV"):
        write_tables(settings, run, ["metrics", ACTIVATION_TABLES[0]], "csv", tmp_path)
    assert not list(tmp_path.glob("*.csv"))


def test_nothing_half_written_is_left(tmp_path):
    target = tmp_path / "new" / "file.csv"
    with pytest.raises(ZeroDivisionError), atomic_file(target) as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert list(target.parent.iterdir()) == []
    target.write_text("old")
    with atomic_file(target) as path:
        path.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(target.parent.iterdir()) == [target]
    with atomic_folder(tmp_path / "many") as folder:
        (folder / "a").write_text("1")
        (folder / "b").write_text("2")
    assert sorted(p.name for p in (tmp_path / "many").iterdir()) == ["a", "b"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ExportError, match="Nothing can be written"),
        atomic_file(tmp_path / "file" / "below"),
    ):
        pass
    with pytest.raises(ExportError, match="it is a folder"), atomic_file(tmp_path):
        pass


def test_bytes_for_a_browser(settings, run):
    content = as_bytes(lambda path: write_table(settings, run, "traits", "csv", path), "t.csv")
    assert content.decode().splitlines()[0] == "position,trait,description"
    assert [size_text(n) for n in (12, 12_345, 4_812_345, 3_210_000_000)] == [
        "12 B",
        "12 kB",
        "4.8 MB",
        "3.2 GB",
    ]


def test_no_cell_of_a_csv_is_a_formula_and_parquet_is_exact(settings, tmp_path):
    texts = ["=1+1", "+cmd", "-x", "@sum", "\tx", "\rx", "\n=x", "-3", "+1e5", "a=b", "'=x", ""]
    study = small_study(scenarios=2)
    prompts = [*study.prompts]
    for number, text in enumerate(texts):
        prompts[number] = dataclasses.replace(prompts[number], text=text)
    study = dataclasses.replace(study, prompts=tuple(prompts))
    ref = publish_study(settings, study, content_hash(study))
    source = TableSource("study", ref.key)
    write_table(settings, source, "prompts", "parquet", tmp_path / "p.parquet")
    exact = duckdb.sql(f"SELECT text FROM '{tmp_path / 'p.parquet'}'").fetchall()
    assert [text for (text,) in exact][: len(texts)] == texts
    write_table(settings, source, "prompts", "csv", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        written = [row["text"] for row in csv.DictReader(file)][: len(texts)]
    assert written == [f"'{text}" for text in texts[:7]] + texts[7:]

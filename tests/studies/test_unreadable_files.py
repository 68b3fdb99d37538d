"""A file in which no record can be parsed says why, whatever lies beside it."""

from __future__ import annotations

import pytest

from backend.errors import StudyFaults, UnknownTables
from backend.studies import encoding
from backend.studies.importer import read_loose_tables, read_study
from backend.studies.parsed_files import parse_files
from backend.views.imports.words import not_read

CUT = '{"question": "Why?", "answer_matching_behavior'
NATIVE = "trait,pole,text\n" + "".join(f"w,{p},{p} {n}\n" for p in ("high", "low") for n in (1, 2))


def told(path):
    with pytest.raises(StudyFaults) as fault:
        read_study(path, "mine")
    return str(fault.value), fault.value


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("sycophancy.jsonl", CUT + "\n", "sycophancy.jsonl:1: "),
        ("sycophancy.json", "[" + CUT, "sycophancy.json:1: "),
        ("sycophancy.csv", b"question,answer\n\xff\xfe,x\n", "sycophancy.csv: "),
    ],
)
def test_a_broken_file_says_its_own_fault_alone_and_in_a_folder(tmp_path, name, content, why):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said, fault = told(path)
    assert len(fault.faults) == 1 and why.split(":")[0] in said.split("\n")[1]
    assert "known" not in said
    in_folder, _ = told(tmp_path)
    assert str(fault.faults[0]) in in_folder


def test_a_broken_file_beside_tables_of_no_known_format_is_told_too(tmp_path):
    (tmp_path / "sycophancy.jsonl").write_text(CUT, "utf-8")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", "utf-8")
    said, fault = told(tmp_path)
    assert isinstance(fault, UnknownTables)
    assert "sycophancy.jsonl:1: " in said and "other.csv (1 rows; a, b)" in said
    assert not_read(read_loose_tables(tmp_path)) == (
        "No record can be parsed, and nothing is read, of 'sycophancy.jsonl'."
    )
    (tmp_path / "sycophancy.jsonl").unlink()
    assert not_read(read_loose_tables(tmp_path)) == ""


def test_a_broken_file_beside_a_study_does_not_matter(tmp_path):
    (tmp_path / "notes.jsonl").write_text(CUT, "utf-8")
    (tmp_path / "prompts.csv").write_text(NATIVE, "utf-8")
    assert len(read_study(tmp_path, "mine").prompts) == 4


@pytest.mark.parametrize("name", ["positive.txt", "a.json", "a.csv"])
def test_a_file_of_too_many_lines_is_a_fault_whatever_its_ending(monkeypatch, name):
    monkeypatch.setattr(encoding, "MOST_LINES", 2)
    (file,) = parse_files({name: b"\n" * 3}).values()
    with pytest.raises(StudyFaults, match=r"The file has 3 lines\. At most 2 are read"):
        file.faults.raise_if_any()

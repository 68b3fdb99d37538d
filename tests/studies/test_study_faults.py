"""Each fault is reported with file, line and remedy, and all faults together."""

from __future__ import annotations

import json
import zipfile

import pytest

from backend.studies import faults as faults_module
from backend.studies import source
from backend.studies.importer import read_study
from tests.support.studies import small_study
from tests.support.study_faults import change, faults_of, only
from tests.support.study_files import records, write_study


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "small", small_study(scenarios=4, prompts=3))


PROMPT_FAULTS = [
    ({"pole": "High"}, "Unknown pole 'High'", "high or low"),
    ({"text": "   "}, "text is empty", "Fill it in"),
    ({"text": 5}, "text is 5, not text", "string"),
    ({"trait": None}, "No value for 'trait'", "Fill it in"),
    ({"colour": "red"}, "Unknown column 'colour'", "Known are"),
    ({"promptset": "b"}, "Unknown column 'promptset'", "Did you mean 'prompt_set'"),
]


@pytest.mark.parametrize(("values", "what", "remedy"), PROMPT_FAULTS)
def test_faults_of_a_prompt(folder, values, what, remedy):
    change(folder, "prompts", 2, **values)
    # With three prompts in the pole, losing one leaves the pole valid.
    file, line, found, mend = only(folder)
    assert (file, line) == ("prompts.jsonl", 2)
    assert what in found
    assert remedy in mend


RESPONSE_FAULTS = [
    ({"scores": {"warmth": 11}}, "is 11, outside 0 to 10", "score_range"),
    ({"scores": {"warmth": "high"}}, "'high', not a number", "0 to 10"),
    ({"scores": {"warmth": True}}, "True, not a number", "leave it empty"),
    ({"scores": {"warmth": float("nan")}}, "nan, not a number", "Write a number"),
    ({"scores": {"warmht": 5}}, "'warmht' has no prompts", "Did you mean 'warmth'"),
    ({"scores": [5]}, "scores is no object", "Write"),
    ({"turn": "t0"}, "Unknown turn 't0'", "write t1 and tN"),
    ({"scenario": "s00"}, "stands on line 1 already", "its own scenario"),
    ({"text": ""}, "text is empty", "Fill it in"),
    ({"messages": "hello"}, "messages is not JSON", "role"),
    ({"messages": [{"role": "user"}]}, "no list of role and content", "role"),
    ({"messages": [{"role": "bot", "content": "x"}]}, "Unknown role 'bot'", "system, user"),
    (
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        "not the user's",
        "End the chat",
    ),
    (
        {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]},
        "follow each other",
        "Join",
    ),
    (
        {"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]},
        "after the first",
        "Put it first",
    ),
    ({"rating": 5}, "Unknown column 'rating'", "Rename or remove"),
]


@pytest.mark.parametrize(("values", "what", "remedy"), RESPONSE_FAULTS)
def test_faults_of_a_response(folder, values, what, remedy):
    change(folder, "responses", 3, **values)
    file, line, found, mend = only(folder)
    assert (file, line) == ("responses.jsonl", 3)
    assert what in found
    assert remedy in mend


def test_everything_wrong_is_told_at_once(folder):
    change(folder, "prompts", 1, pole="up")
    change(folder, "prompts", 5, text="")
    change(folder, "responses", 2, scores={"warmth": -1})
    (folder / "study.json").write_text(json.dumps({"titel": "x", "score_range": [10, 0]}))
    found = faults_of(folder)
    assert [(file, line) for file, line, _, _ in found] == [
        ("prompts.jsonl", 1),
        ("prompts.jsonl", 5),
        ("responses.jsonl", 2),
        ("study.json", None),
        ("study.json", None),
    ]
    assert "Did you mean 'title'" in found[3][3]
    assert "score_range is [10, 0]" in found[4][2]


def test_a_trait_with_one_pole_and_a_pole_with_one_prompt(folder):
    prompts, _ = records(small_study(prompts=3), flat=False)
    kept = [p for p in prompts if not (p["trait"] == "warmth" and p["pole"] == "low")]
    kept = [
        p for p in kept if not (p["trait"] == "haste" and p["text"][:6] in ("high 1", "high 2"))
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in kept))
    one_pole, small = faults_of(folder)
    assert "'warmth'" in one_pole[2] and "only one pole: it has 0 low prompts" in one_pole[2]
    assert "'haste'" in small[2] and "has 1 high prompts" in small[2]
    assert "at least 2" in small[3]


def test_the_same_prompt_twice_and_in_both_poles(folder):
    lines = (folder / "prompts.jsonl").read_text().splitlines()
    both = json.dumps(json.loads(lines[0]) | {"pole": "low"})
    (folder / "prompts.jsonl").write_text("\n".join([*lines, lines[0], both]) + "\n")
    twice, opposite = faults_of(folder)
    assert twice[1] == 13 and "stands on line 1" in twice[2]
    assert opposite[1] == 14 and "is the high pole on line 1" in opposite[2]


def test_all_texts_of_both_poles_are_one_fault(folder):
    lines = (folder / "prompts.jsonl").read_text().splitlines()
    both = [json.dumps(json.loads(line) | {"pole": "low"}) for line in lines[1::-1]]
    (folder / "prompts.jsonl").write_text("\n".join([*lines, *both]) + "\n")
    _, line, what, _ = only(folder)
    assert line == 13
    said = "2 texts of the low pole are the high pole too"
    assert what == f"{said}: line 13 is line 2, line 14 is line 1."


def test_turns_for_some_responses_only(folder):
    change(folder, "responses", 5, turn=None)
    file, line, what, _ = only(folder)
    assert (file, line) == ("responses.jsonl", 5)
    assert "1 of 8 responses have no turn" in what


def test_no_score_at_all(folder):
    for line in range(1, 9):
        change(folder, "responses", line, scores={})
    assert "No response has a score" in only(folder)[2]


def test_broken_lines_of_jsonl(folder):
    text = (folder / "responses.jsonl").read_text() + 'nonsense\n[1]\n{"text": "a", "text": "b"}\n'
    (folder / "responses.jsonl").write_text(text)
    found = faults_of(folder)
    assert [line for _, line, _, _ in found] == [9, 10, 11]
    assert "Not JSON" in found[0][2]
    assert "list, not an object" in found[1][2]
    assert "'text' stands twice" in found[2][2]


def test_wrong_encoding_names_the_line_and_byte(folder):
    path = folder / "prompts.jsonl"
    path.write_bytes(path.read_bytes().replace(b"high 1", b"caf\xe9 1", 1))
    found = faults_of(folder)
    assert found[0][:2] == ("prompts.jsonl", 2)
    assert "0xe9 is not UTF-8" in found[0][2]


def test_csv_rows_of_the_wrong_length_duplicate_columns_and_line_numbers(tmp_path):
    folder = write_study(tmp_path / "small", small_study(prompts=3), "csv")
    path = folder / "prompts.csv"
    lines = path.read_text().splitlines()
    lines[1] = 'warmth,high,"two\nlines",default'
    lines[3] += ",extra"
    path.write_text("\n".join(lines) + "\n")
    file, line, what, _ = only(folder)
    assert (file, line) == ("prompts.csv", 5)
    assert "5 fields where the header has 4" in what
    path.write_text("trait,trait\nx,y\n")
    assert any("'trait' stands twice" in what for _, _, what, _ in faults_of(folder))


def test_a_parquet_file_that_is_none(tmp_path):
    folder = write_study(tmp_path / "small", small_study(), "parquet")
    (folder / "prompts.parquet").write_bytes(b"no parquet")
    assert any("Not a parquet file" in what for _, _, what, _ in faults_of(folder))


def test_missing_two_formats_and_empty_files(folder):
    (folder / "prompts.csv").write_text("")
    assert any("are both there" in what for _, _, what, _ in faults_of(folder))
    (folder / "prompts.csv").unlink()
    (folder / "prompts.jsonl").write_text("")
    assert any("no readable record" in what for _, _, what, _ in faults_of(folder))
    (folder / "prompts.jsonl").unlink()
    assert any("There is no prompts file" in what for _, _, what, _ in faults_of(folder))


def test_a_path_that_is_no_study(tmp_path):
    assert "does not exist" in only(tmp_path / "none")[2]
    (tmp_path / "file.txt").write_text("x")
    assert "neither a folder nor a zip" in only(tmp_path / "file.txt")[2]


@pytest.mark.parametrize(
    "name",
    [
        "../prompts.jsonl",
        "/etc/prompts.jsonl",
        "a/../../prompts.jsonl",
        "C:/prompts.jsonl",
        "..\\prompts.jsonl",
    ],
)
def test_a_zip_that_leaves_its_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, "{}")
    assert "leads out of it" in only(tmp_path / "bad.zip")[2]


def test_a_zip_with_a_link_two_folders_or_too_much(tmp_path, monkeypatch):
    for name, target in (("prompts.jsonl", "/etc/passwd"), ("latest", "prompts.csv")):
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
            archive.writestr(link, target)
        _, _, what, remedy = only(tmp_path / "link.zip")
        assert what == f"The zip holds the link {name!r}; links are not followed."
        assert remedy == "Pack the file that it stands for."
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a/prompts.jsonl", "{}")
        archive.writestr("b/responses.jsonl", "{}")
    assert "in 2 folders" in only(tmp_path / "two.zip")[2]
    monkeypatch.setattr(source, "MOST_BYTES", 1)
    with zipfile.ZipFile(tmp_path / "big.zip", "w") as archive:
        archive.writestr("prompts.jsonl", "{}")
    assert "unpacks to" in only(tmp_path / "big.zip")[2]


def test_a_zip_without_a_file_or_with_another_zip_alone(tmp_path):
    path = tmp_path / "outer.zip"
    for entries in ([], ["folder/"], ["__MACOSX/._study.zip"]):
        with zipfile.ZipFile(path, "w") as archive:
            for name in entries:
                archive.writestr(name, "")
        assert only(path)[0] == "outer.zip" and only(path)[2] == "The zip holds no file."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/study.zip", "PK")
    file, _, what, remedy = only(path)
    assert (file, remedy) == ("study.zip", "Unpack it.")
    assert what == "There is no prompts file. 'study.zip' is there, packed, and is not read."


@pytest.mark.parametrize("name", ["prompts.csv.gz", "prompts.jsonl.gz", "Prompts.jsonl.GZ"])
def test_a_packed_table_is_named(folder, name):
    (folder / "prompts.jsonl").rename(folder / name)
    file, _, what, remedy = only(folder)
    assert (file, remedy) == (name, "Unpack it.")
    assert what == f"There is no prompts file. {name!r} is there, packed, and is not read."


def test_a_packed_file_alone_is_told_as_such(tmp_path):
    path = tmp_path / "sycophancy.csv.gz"
    path.write_bytes(b"\x1f\x8b")
    assert only(path)[2:] == (
        "The path is packed, and not as a zip.",
        "Unpack it, and name what it holds.",
    )
    assert only(tmp_path)[0] == "sycophancy.csv.gz"


def test_packed_responses_are_not_left_out_in_silence_and_other_packed_files_are(folder):
    (folder / "old.tar.gz").write_bytes(b"x")
    read_study(folder, "small")
    (folder / "responses.jsonl").rename(folder / "responses.jsonl.gz")
    assert only(folder)[2].startswith("There is no responses file. 'responses.jsonl.gz' is there")


def test_a_long_list_of_faults_is_cut_and_counted(folder, monkeypatch):
    monkeypatch.setattr(faults_module, "MOST", 3)
    prompts = [{"trait": f"t{i}", "pole": "high", "text": text} for i in range(10) for text in "ab"]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    (folder / "responses.jsonl").unlink()
    (folder / "study.json").unlink()
    found = faults_of(folder)
    assert len(found) == 4
    assert "more faults are not listed" in found[-1][2]


def test_a_trait_that_is_described_and_has_no_prompts(folder):
    (folder / "study.json").write_text(json.dumps({"traits": {"calm": "x"}}))
    assert "'calm' is described and has no prompts" in only(folder)[2]

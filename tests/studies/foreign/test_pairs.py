"""Contrast pairs of other tools become prompts, plain or in the chat of their question."""

from __future__ import annotations

import csv
import json
import zipfile

import pytest

from backend.cli.main import main
from backend.errors import SteerscopeError, StudyFaults
from backend.studies import importer
from backend.studies.faults import FaultList
from backend.studies.foreign.form import UnderstoodStudy
from backend.studies.importer import read_study
from backend.types import Message

CAA = [
    {
        "question": f"Do you agree, number {i}?\n\nChoices:\n (A) Yes\n (B) No",
        "answer_matching_behavior": "(A)" if i % 2 else "(B)",
        "answer_not_matching_behavior": "(B)" if i % 2 else "(A)",
    }
    for i in range(4)
]


def read(path, name="study"):
    faults = FaultList()
    study = read_study(path, name, faults)
    return study, " ".join(note.what for note in faults.notes)


def check_caa(study):
    assert list(study.traits) == ["sycophancy"] and study.target == "none"
    assert len(study.prompts) == 8
    for number, row in enumerate(CAA):
        high, low = study.prompts[2 * number : 2 * number + 2]
        assert (high.pole, low.pole) == ("high", "low") and high.pair == low.pair
        assert high.messages == low.messages == (Message("user", row["question"]),)
        assert high.text == row["answer_matching_behavior"]
        assert low.text == row["answer_not_matching_behavior"]


def test_caa_as_a_json_array_in_the_folder_of_its_behaviour(tmp_path):
    folder = tmp_path / "datasets" / "sycophancy"
    folder.mkdir(parents=True)
    (folder / "generate_dataset.json").write_text(json.dumps(CAA), "utf-8")
    study, notes = read(tmp_path / "datasets")
    check_caa(study)
    assert "4 pairs of 1 traits ('sycophancy')" in notes and "end-2" in notes


@pytest.mark.parametrize("name", ["sycophancy.json", "sycophancy.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_an_array_is_read_in_each_encoding_that_lines_are(tmp_path, name, encoding):
    text = json.dumps(CAA) if name.endswith("n") else "\n".join(map(json.dumps, CAA))
    (tmp_path / name).write_bytes(text.encode(encoding))
    check_caa(read(tmp_path)[0])


@pytest.mark.parametrize(
    ("encoding", "line", "said"),
    [
        ("utf-16-le", None, "looks like UTF-16 (little-endian) without a byte order mark"),
        ("utf-16-be", None, "looks like UTF-16 (big-endian) without a byte order mark"),
        ("cp1252", 3, "Byte 0xe9 is not UTF-8. In Windows-1252 it is 'é'."),
    ],
)
def test_an_array_in_another_encoding_names_it(tmp_path, encoding, line, said):
    text = json.dumps([{"positive": "café", "negative": "tea"}], indent=1, ensure_ascii=False)
    path = tmp_path / "drinks.json"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(StudyFaults) as told:
        read(path)
    (fault,) = told.value.faults
    assert (fault.file, fault.line) == ("drinks.json", line) and said in fault.what


def test_model_written_evals_as_one_file_of_lines(tmp_path):
    path = tmp_path / "sycophancy.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in CAA), "utf-8")
    check_caa(read(path)[0])


def test_in_a_zip(tmp_path):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b/sycophancy.json", json.dumps(CAA))
        archive.writestr("README.md", "nothing")
    check_caa(read(path)[0])


def test_two_files_of_a_trait_are_two_sets(tmp_path):
    folder = tmp_path / "sycophancy"
    folder.mkdir()
    (folder / "train.json").write_text(json.dumps(CAA), "utf-8")
    (folder / "test.json").write_text(json.dumps(CAA[:2]), "utf-8")
    study, _ = read(tmp_path)
    assert {p.prompt_set for p in study.prompts} == {"train", "test"}


@pytest.mark.parametrize(
    "columns",
    [("positive", "negative"), ("pos", "neg"), ("chosen", "rejected"), ("high", "low")],
)
def test_pairs_without_a_question_are_plain_texts(tmp_path, columns):
    path = tmp_path / "warmth.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows([("I'm glad.", "Noted."), ('Tell me, "please".', "Next."), ("", "x")])
    study, notes = read(path)
    assert [(p.pole, p.text) for p in study.prompts] == [
        ("high", "I'm glad."),
        ("low", "Noted."),
        ("high", 'Tell me, "please".'),
        ("low", "Next."),
    ]
    assert not study.has_chats and list(study.traits) == ["warmth"]
    assert "1 of 3 records do not hold two texts" in notes


def test_wisent_pairs_are_answers_to_their_prompt(tmp_path):
    rows = [
        {
            "prompt": f"Question {i}",
            "trait": "honesty",
            "positive_response": {"model_response": f"True {i}"},
            "negative_response": {"model_response": f"False {i}"},
        }
        for i in range(2)
    ]
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(rows), "utf-8")
    study, _ = read(path)
    assert list(study.traits) == ["honesty"]
    assert study.prompts[0].messages == (Message("user", "Question 0"),)
    assert study.prompts[1].text == "False 0"


def test_a_pair_without_its_question_is_left_out_beside_others(tmp_path):
    path = tmp_path / "sycophancy.json"
    path.write_text(json.dumps([*CAA, {**CAA[0], "question": ""}]), "utf-8")
    study, notes = read(path)
    check_caa(study)
    assert "1 of 5 records do not hold a question and two texts (line 5)" in notes


def test_records_are_named_by_the_lines_of_an_indented_file(tmp_path):
    path = tmp_path / "sycophancy.json"
    rows = [*CAA, {**CAA[0], "question": ""}, CAA[1], {**CAA[2], "trait": "a<b"}]
    path.write_text(json.dumps(rows, indent=2), "utf-8")
    # By hand: "[" is line 1, and each record takes 5 lines, one more where it names a trait.
    with pytest.raises(StudyFaults, match=r"sycophancy\.json:32: trait 'a<b' holds one of"):
        read(path)
    path.write_text(json.dumps(rows[:6], indent=2), "utf-8")
    study, notes = read(path)
    check_caa(study)
    assert "do not hold a question and two texts (line 22)" in notes
    assert "1 pairs repeat a text of another pair, or hold one text twice (line 27)" in notes


def test_repeated_pairs_and_pairs_of_one_text_are_left_out_and_told(tmp_path):
    same = CAA[0] | {"answer_not_matching_behavior": CAA[0]["answer_matching_behavior"]}
    path = tmp_path / "sycophancy.json"
    path.write_text(json.dumps([*CAA, CAA[1], same]), "utf-8")
    study, notes = read(path)
    check_caa(study)
    assert "2 pairs repeat a text of another pair, or hold one text twice (lines 5, 6)" in notes


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        (
            "sycophancy.json",
            [
                one | {"answer_not_matching_behavior": one["answer_matching_behavior"]}
                for one in CAA
            ],
            "4 pairs hold the same text on both sides (lines 1, 2, 3, 4)",
        ),
        (
            "warmth.jsonl",
            [{"positive": f"a{n}", "negative": f"a{n}"} for n in range(6)],
            "6 pairs hold the same text on both sides (lines 1, 2, 3, 4, 5 and 1 more)",
        ),
        (
            "warmth.jsonl",
            [{"positive": f"a{n}", "negative": ""} for n in range(2)],
            "2 of 2 records do not hold two texts (lines 1, 2)",
        ),
    ],
)
def test_where_no_pair_is_left_the_file_and_the_reason_are_told(
    tmp_path, monkeypatch, capsys, name, rows, why
):
    path = tmp_path / name
    lines = "\n".join(map(json.dumps, rows))
    path.write_text(lines if name.endswith("l") else json.dumps(rows), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(path)
    (fault,) = told.value.faults
    assert (fault.file, fault.line) == (name, 1)
    assert fault.what == f"No prompt is left: {why}."
    monkeypatch.setenv("STEERSCOPE_CACHE", str(tmp_path / "cache"))
    assert main(["import-study", str(path)]) == 1
    assert why in capsys.readouterr().err
    assert not list((tmp_path / "cache").rglob("*.duckdb"))


def test_a_study_without_prompts_is_not_kept_whatever_its_reader_says(tmp_path, monkeypatch):
    path = tmp_path / "sycophancy.json"
    path.write_text(json.dumps(CAA), "utf-8")
    monkeypatch.setattr(importer, "read_foreign", lambda *_: UnderstoodStudy("nobody", ()))
    with pytest.raises(SteerscopeError, match="The study mine has no prompts, and so no traits"):
        read_study(path, "mine")


def test_a_table_beside_pairs_that_is_not_read_is_named(tmp_path):
    (tmp_path / "sycophancy.json").write_text(json.dumps(CAA), "utf-8")
    (tmp_path / "answers.csv").write_text("reply,score\nYes,3\n", "utf-8")
    study, notes = read(tmp_path)
    check_caa(study)
    assert "'answers.csv': not in this format, and not read." in notes
    (tmp_path / "answers.csv").unlink()
    assert "not read" not in read(tmp_path)[1]


def test_a_cut_off_line_is_a_fault_and_only_in_a_file_that_is_read(tmp_path):
    lines = [json.dumps(row) for row in CAA]
    (tmp_path / "sycophancy.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "log.jsonl").write_text('{"a": ', "utf-8")
    check_caa(read(tmp_path)[0])
    (tmp_path / "sycophancy.jsonl").write_text("\n".join([*lines, lines[0][:20]]), "utf-8")
    with pytest.raises(StudyFaults, match=rf"sycophancy\.jsonl:{len(CAA) + 1}: ") as told:
        read(tmp_path)
    assert "log.jsonl" not in str(told.value)


def test_a_key_that_is_nearly_half_of_a_pair_is_told_first(tmp_path):
    rows = [{"positiv": f"a {n}", "negative": f"b {n}"} for n in range(3)]
    (tmp_path / "warmth.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with pytest.raises(StudyFaults) as told:
        read(tmp_path)
    first, second = told.value.faults[:2]
    assert first.file == "warmth.jsonl"
    assert "'negative', and no 'positive'" in first.what
    assert first.remedy == "Rename 'positiv' to 'positive' if that is meant."
    assert second.what.startswith("In no format that is known")


def test_files_beyond_the_first_thousand_are_told(tmp_path):
    for number in range(1_001):
        (tmp_path / f"{number:04}.txt").write_text("", "utf-8")
    (tmp_path / "0000.json").write_text(json.dumps(CAA), "utf-8")
    _, notes = read(tmp_path)
    assert "There are 1,002 files; the first 1,000 by name are read" in notes


def test_too_few_pairs_are_a_fault(tmp_path):
    path = tmp_path / "sycophancy.json"
    path.write_text(json.dumps(CAA[:1]), "utf-8")
    with pytest.raises(StudyFaults, match="is too small"):
        read(path)


OTHER = "neither a folder nor a zip"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "Not JSON"),
        ("[", "Not JSON"),
        ("\ud800", "Bytes 0xeda080 are half of a character"),
        ("{}", OTHER),
        ("[1, 2]", OTHER),
        ('[{"a": 1}]', OTHER),
        ('{"positive": "x", "negative": "y"}', OTHER),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, fault):
    path = tmp_path / "file.json"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(StudyFaults, match=fault):
        read(path)
    with pytest.raises(StudyFaults, match="There is no prompts file" if fault == OTHER else fault):
        read(tmp_path)


def test_the_command_says_what_it_understands_and_keeps_nothing_when_asked(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "sycophancy.json"
    path.write_text(json.dumps(CAA), "utf-8")
    assert main(["import-study", str(path), "--check"]) == 0
    told = capsys.readouterr()
    assert "sycophancy: 1 traits, 8 prompts, 0 responses, r over none; nothing is kept" in told.out
    assert "Read as contrast pairs" in told.err
    assert not list((tmp_path / "cache").rglob("*.duckdb"))
    assert main(["import-study", str(path)]) == 0
    assert capsys.readouterr().out.startswith("sycophancy@")


@pytest.mark.parametrize("form", ["now", "persona", "before"])
def test_steering_bench_pairs_in_each_form_that_it_has_written(tmp_path, form):
    rows = []
    for one in CAA:
        asked, yes, no = one.values()
        rows.append(
            {
                "now": {"prompt": asked, "positive_response": yes, "negative_response": no},
                # Its persona sets hold each answer in a list.
                "persona": {"prompt": asked, "positive_response": [yes], "negative_response": [no]},
                "before": {
                    "positive": {"prompt": asked, "response": yes},
                    "negative": {"prompt": asked, "response": no},
                    "steering_token_index": -2,
                },
            }[form]
        )
    path = tmp_path / "persona" / "sycophancy.json"
    path.parent.mkdir()
    path.write_text(json.dumps(rows, indent=4), "utf-8")
    check_caa(read(tmp_path)[0])

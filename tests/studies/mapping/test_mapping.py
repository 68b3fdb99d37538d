"""A mapping makes of any table the study that the same content makes in its own format."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest

from backend.cli.main import main
from backend.errors import StudyFaults, UnknownTables
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_loose_tables, read_study
from backend.studies.mapping.form import mapping_json, read_mapping
from backend.types import Message, Prompt, Response, Study
from tests.support.loose_tables import ANSWERS, POLES, write_table
from tests.support.study_files import write_study

MAPPING = {
    "prompts": {
        "file": "poles",
        "text": "sentence",
        "pole": {"column": "label", "high": 1, "low": 0, "skip": [2]},
        "trait": "about",
    },
    "responses": {
        "file": "answers",
        "text": "reply",
        "scenario": "conv",
        "turn": {"column": "when", "t1": "first", "tN": "last"},
        "responder": "model",
        "question": "user",
        "scores": {"warmth": "w"},
    },
}
# The same content, written by hand.
EXPECTED = Study(
    name="study",
    title="study",
    description="",
    licence="",
    provenance="Its authors do not say who wrote and who scored it.",
    score_range=(0.0, 10.0),
    traits={"warmth": ""},
    prompts=(
        Prompt("warmth", "high", "I am glad."),
        Prompt("warmth", "high", "That must hurt."),
        Prompt("warmth", "low", "Noted."),
        Prompt("warmth", "low", "Next point."),
    ),
    responses=(
        Response("c1", "Oh.", "t1", "a", (Message("user", "I failed."),), {"warmth": 8.5}),
        Response("c1", "Why?", "tN", "a", (Message("user", "Again."),), {"warmth": 2}),
        Response("c2", "Yes!", "t1", "a", (Message("user", "I won."),), {"warmth": 9}),
        Response("c2", "No.", "tN", "a", (Message("user", "I lost."),), {}),
    ),
)


def named(mapping, suffix):
    """A copy of a mapping whose files have an ending."""
    copy = json.loads(json.dumps(mapping))
    for kind in ("prompts", "responses"):
        tables = copy.get(kind, [])
        for table in tables if isinstance(tables, list) else [tables]:
            if table.get("file"):
                table["file"] += suffix
    return copy


def parsed(mapping):
    faults = FaultList()
    found = read_mapping("mapping.json", json.dumps(mapping).encode(), faults)
    faults.raise_if_any()
    return found


def read(path, mapping):
    faults = FaultList()
    study = read_study(path, "study", faults, parsed(mapping))
    return study, " ".join(map(str, faults.notes))


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path / "poles.csv", POLES)
    write_table(tmp_path / "answers.csv", ANSWERS)
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_every_kind_of_table_gives_the_study_of_its_own_format(tmp_path, suffix):
    write_table(tmp_path / "in" / f"poles{suffix}", POLES)
    write_table(tmp_path / "in" / f"answers{suffix}", ANSWERS)
    study, notes = read(tmp_path / "in", named(MAPPING, suffix))
    own = read_study(write_study(tmp_path / "own", EXPECTED), "study")
    assert content_hash(study) == content_hash(own)
    # The header of a csv and the bracket of an array are line 1; an array's record has 6 lines.
    line = {".csv": 6, ".jsonl": 5, ".json": 2 + 4 * 6, ".parquet": 5}[suffix]
    assert f"1 of 5 records are skipped by the mapping (line {line})" in notes


def test_in_a_zip_with_folders(tmp_path):
    write_table(tmp_path / "poles.csv", POLES)
    write_table(tmp_path / "answers.csv", ANSWERS)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "poles.csv", "data/poles.csv")
        archive.write(tmp_path / "answers.csv", "data/answers.csv")
    mapping = named(MAPPING, ".csv")
    mapping["prompts"]["file"] = "data/poles.csv"
    mapping["responses"]["file"] = "data/answers.csv"
    assert content_hash(read(path, mapping)[0]) == content_hash(EXPECTED)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_one_score_a_row_gives_the_same_as_one_column_a_trait(tmp_path, suffix):
    write_table(tmp_path / f"poles{suffix}", POLES)
    long = [
        {**row, "criterion": trait, "w": score}
        for row in ANSWERS
        for trait, score in (("warmth", row["w"]), ("warmth", row["w"]))
    ]
    write_table(tmp_path / f"answers{suffix}", long)
    mapping = named(MAPPING, suffix)
    del mapping["responses"]["scores"]
    mapping["responses"] |= {"score": "w", "trait": "criterion"}
    study, _ = read(tmp_path, mapping)
    assert [(r.text, r.scores) for r in study.responses] == [
        (r.text, r.scores) for r in EXPECTED.responses
    ]
    assert study.responses[0].repeats == {"warmth": (8.5, 8.5)}


def test_a_row_of_two_texts_is_a_pair_and_blank_ones_are_told(tmp_path):
    rows = [{"good": "Glad.", "bad": "Noted."}, {"good": "Sorry!", "bad": " "}]
    rows += [{"good": "How kind.", "bad": "Next."}]
    write_table(tmp_path / "poles.csv", rows)
    mapping = {"prompts": {"high": "good", "low": "bad", "trait": {"constant": "warmth"}}}
    study, notes = read(tmp_path / "poles.csv", mapping)
    assert [(p.pole, p.text, p.trait) for p in study.prompts] == [
        ("high", "Glad.", "warmth"),
        ("low", "Noted.", "warmth"),
        ("high", "How kind.", "warmth"),
        ("low", "Next.", "warmth"),
    ]
    pairs = [p.pair for p in study.prompts]
    assert pairs[0] == pairs[1] != pairs[2] == pairs[3]
    assert study.target == "none" and "1 of 3 records hold no text (line 3)" in notes


def test_rows_that_give_no_prompt_are_told_and_nothing_is_kept(tmp_path):
    (tmp_path / "pairs.csv").write_text("good,bad\nyes,\n,no\n", "utf-8")
    mapping = {"prompts": {"high": "good", "low": "bad", "trait": {"constant": "warmth"}}}
    with pytest.raises(StudyFaults) as told:
        read(tmp_path, mapping)
    (fault,) = told.value.faults
    assert (fault.file, fault.line) == ("pairs.csv", 2)
    assert fault.what == "No prompt is left: 2 of 2 records hold no text (lines 2, 3)."


def test_a_file_for_each_pole_and_responder(tmp_path):
    for pole, rows in (("high", POLES[:2]), ("low", POLES[2:4])):
        write_table(tmp_path / f"{pole}.csv", [{"said": row["sentence"]} for row in rows])
    for model, score in (("a", 1), ("b", 3)):
        answers = [{"id": n, "said": f"{model} {n}", "s": score + n} for n in range(2)]
        write_table(tmp_path / f"{model}.jsonl", answers)
    trait = {"constant": "warmth"}
    mapping = {
        "prompts": [
            {"file": f"{pole}.csv", "text": "said", "pole": {"constant": pole}, "trait": trait}
            for pole in ("high", "low")
        ],
        "responses": [
            {
                "file": f"{model}.jsonl",
                "text": "said",
                "scenario": "id",
                "responder": {"constant": model},
                "score": "s",
                "trait": trait,
            }
            for model in ("a", "b")
        ],
        "scale": [1, 5],
        "provenance": "By hand.",
    }
    study, _ = read(tmp_path, mapping)
    assert study.prompts == EXPECTED.prompts
    assert [(r.scenario, r.responder, r.scores["warmth"]) for r in study.responses] == [
        ("0", "a", 1),
        ("1", "a", 2),
        ("0", "b", 3),
        ("1", "b", 4),
    ]
    assert study.score_range == (1, 5) and study.provenance == "By hand."
    for table in mapping["responses"]:
        table["responder"] = {"constant": "a"}
    with pytest.raises(StudyFaults, match=r"b\.jsonl: 2 responses have the scenario, turn"):
        read(tmp_path, mapping)


def test_the_last_answer_of_a_conversation_is_the_text(tmp_path):
    chats = [
        [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": f"answer {number}"},
        ]
        for number in range(4)
    ]
    rows = [{"chat": chat, "good": number < 2} for number, chat in enumerate(chats)]
    write_table(tmp_path / "chats.jsonl", rows)
    mapping = {
        "prompts": {
            "messages": "chat",
            "pole": {"column": "good", "high": True, "low": False},
            "trait": {"constant": "warmth"},
        }
    }
    study, _ = read(tmp_path, mapping)
    assert [(p.pole, p.text) for p in study.prompts] == [
        ("high", "answer 0"),
        ("high", "answer 1"),
        ("low", "answer 2"),
        ("low", "answer 3"),
    ]
    assert {p.messages for p in study.prompts} == {(Message("user", "Hello."),)}


def test_an_unknown_value_is_told_with_its_lines_and_what_is_known(folder):
    mapping = named(MAPPING, ".csv")
    del mapping["prompts"]["pole"]["skip"]
    with pytest.raises(StudyFaults) as told:
        read(folder, mapping)
    (fault,) = told.value.faults
    assert (fault.file, fault.line) == ("poles.csv", 6)
    assert "label is '2', which the mapping does not know as a pole" in fault.what
    assert "'1' for high and '0' for low" in fault.remedy


def test_a_score_that_is_none_is_told_with_its_line(tmp_path):
    write_table(tmp_path / "poles.csv", POLES)
    write_table(tmp_path / "answers.csv", [*ANSWERS[:3], {**ANSWERS[3], "w": "7/10"}])
    with pytest.raises(StudyFaults, match=r"answers\.csv:5: The score of 'warmth' is '7/10'"):
        read(tmp_path, named(MAPPING, ".csv"))


def test_a_score_beyond_the_scale_is_to_be_mended_in_the_mapping(folder):
    mapping = named(MAPPING, ".csv") | {"scale": [0, 5]}
    with pytest.raises(StudyFaults, match=r"outside 0 to 5.*set the mapping's scale") as told:
        read(folder, mapping)
    assert "study.json" not in told.value.faults[0].remedy


def test_turns_without_their_scenario_are_a_fault_of_a_file_and_of_a_form(folder):
    mapping = named(MAPPING, ".csv")
    whole = parsed(mapping)
    del mapping["responses"]["scenario"]
    with pytest.raises(StudyFaults, match=r"responses has no scenario\. It has turns, which mean"):
        parsed(mapping)
    (table,) = whole.responses
    fields = {key: where for key, where in table.fields.items() if key != "scenario"}
    formed = replace(whole, responses=(replace(table, fields=fields),))
    with pytest.raises(StudyFaults, match=r"where scenario of 'answers\.csv' is\. Name its col"):
        read_study(folder, "study", FaultList(), formed)
    del mapping["responses"]["turn"]
    study, _ = read(folder, mapping)
    assert study.target == "level"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"prompts": {"text": "sentense"}},
            r"prompts, text: poles\.csv has no column 'sentense'. Did you mean 'sentence'",
        ),
        (
            {"responses": {"scores": {"warmth": "x"}}},
            r"scores of warmth: answers\.csv has no column 'x'.*There are conv, model, reply",
        ),
        ({"prompts": {"file": "pole.csv"}}, r"no file 'pole\.csv'. Did you mean 'poles\.csv'"),
        ({"prompts": {"file": None}}, r"prompts\.file is None"),
        ({"prompts": {"pole": None}}, r"prompts has no pole. Name its column and values"),
        ({"prompts": {"pole": {"column": "label", "up": 1}}}, r"prompts\.pole is"),
        ({"prompts": {"trait": 3}}, r"prompts\.trait is 3"),
        ({"prompts": {"high": "sentence"}}, r"prompts has no low"),
        ({"prompts": {"txt": "a"}}, r"Unknown key 'txt' in prompts. Did you mean 'text'"),
        ({"responses": {"score": "w"}}, r"responses has scores, and also score"),
        ({"responses": {"scores": None}}, r"responses has no score"),
        ({"responses": {"scores": {"warmth": 3}}}, r"responses\.scores is"),
        ({"scale": [10, 0]}, r"scale is \[10, 0\]"),
        ({"scale": "0-10"}, r"scale is '0-10'"),
        ({"promts": {}}, r"Unknown key 'promts'. Did you mean 'prompts'"),
        ({"provenance": 3}, r"provenance is 3"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_told_by_its_key(folder, change, said):
    mapping = named(MAPPING, ".csv")
    for key, value in change.items():
        if isinstance(value, dict) and key in mapping:
            mapping[key] = mapping[key] | value
        else:
            mapping[key] = value
    with pytest.raises(StudyFaults, match=said):
        read(folder, mapping)


def test_high_and_low_columns_and_a_pole_cannot_both_be(folder):
    mapping = named(MAPPING, ".csv")
    mapping["prompts"] |= {"high": "sentence", "low": "about"}
    with pytest.raises(StudyFaults, match="has high and low, and also pole and text"):
        read(folder, mapping)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "Not a JSON object"),
        (b"{", "Not JSON"),
        (b"{}", "names no table of prompts"),
        (b'{"prompts": [3]}', "prompts is 3, no object"),
        (b'{"prompts": {"file": "a"},\n"prompts": {}}', "stands twice"),
    ],
)
def test_what_is_no_mapping_is_told(content, said):
    faults = FaultList()
    assert read_mapping("m.json", content, faults) is None
    with pytest.raises(StudyFaults, match=said):
        faults.raise_if_any()


def test_a_saved_mapping_reads_as_it_was():
    whole = named(MAPPING, ".csv") | {"scale": [1, 7.5], "provenance": "By hand."}
    mapping = parsed(whole)
    assert parsed(json.loads(mapping_json(mapping))) == mapping


def test_tables_in_no_known_format_are_named_with_what_to_do(folder):
    with pytest.raises(UnknownTables) as told:
        read_study(folder, "study")
    assert "poles.csv (5 rows; id, label, sentence, about)" in str(told.value)
    assert "--guess-mapping" in str(told.value)


def test_a_mapping_of_a_path_that_is_not_there(tmp_path):
    with pytest.raises(StudyFaults, match="does not exist"):
        read(tmp_path / "none.csv", named(MAPPING, ".csv"))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"PK\x03\x04 no zip at all"])
def test_a_damaged_zip_is_told(tmp_path, content):
    path = tmp_path / "all.zip"
    path.write_bytes(content)
    with pytest.raises(StudyFaults, match="The zip is damaged"):
        read(path, named(MAPPING, ".csv"))
    with pytest.raises(StudyFaults, match="The zip is damaged"):
        read_loose_tables(path)


def test_the_command_keeps_what_a_mapping_makes(folder, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(folder / "cache"))
    saved = folder / "mapping.json"
    saved.write_text(json.dumps(named(MAPPING, ".csv")), "utf-8")
    told = ["--mapping", str(saved), "--name", "study"]
    assert main(["import-study", str(folder), *told, "--check"]) == 0
    out = capsys.readouterr().out
    assert "1 trait, 4 prompts, 4 responses by 1 responder in 2 independent groups" in out
    assert "2 conversations, turns t1 to tN" in out
    # By hand: the mean of 8.5, 2 and 9.
    assert "high 2, low 2" in out and "scored 3, scores 2 to 9, mean score 6.50" in out
    assert not list((folder / "cache").rglob("*.duckdb"))
    assert main(["import-study", str(folder), *told]) == 0
    assert capsys.readouterr().out.strip() == f"study@{content_hash(EXPECTED)[:12]}"
    assert main(["import-study", str(folder), "--mapping", str(folder / "none.json")]) == 1
    assert "mapping cannot be read" in capsys.readouterr().err

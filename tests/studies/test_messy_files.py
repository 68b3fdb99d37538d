"""Files as spreadsheets, pandas and chat interfaces write them: read, or one fault each."""

from __future__ import annotations

import gzip
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import SteerscopeError, StudyFaults
from backend.studies import imports
from backend.studies.faults import FaultList
from backend.studies.importer import read_study

ROWS = [
    ("warmth", "high", "I am glad, really."),
    ("warmth", "high", "It’s good – thank you."),
    ("warmth", "low", "Noted; next."),
    ("warmth", "low", "See page 7."),
]
HEAD = ("trait", "pole", "text")
LINES = [json.dumps(dict(zip(HEAD, row, strict=True))) for row in ROWS]


def table(separator=",", head=HEAD, rows=ROWS, end="\n"):
    lines = [head, *((*row[:2], f'"{row[2]}"') for row in rows)]
    return "".join(separator.join(line) + end for line in lines)


def imported(folder, **files):
    """The study of some files (``prompts_csv=...``), or its faults; and what was noted."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / ".".join(name.rsplit("_", 1))
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults = FaultList()
    try:
        return read_study(folder, "messy", faults), faults.notes
    except StudyFaults as fault:
        return [str(f) for f in fault.faults], faults.notes


def texts(study):
    return [(p.trait, p.pole, p.text) for p in study.prompts]


def scored(folder, cells, separator=","):
    """What becomes of scores, one response each, written as they are."""
    head = separator.join(("scenario", "text", "score:warmth"))
    rows = [separator.join((f"s{i}", "hello", cell)) for i, cell in enumerate(cells)]
    content = "\n".join([head, *rows])
    return imported(folder, prompts_csv=table(), responses_csv=content)


READ = {
    "byte order mark": b"\xef\xbb\xbf" + table().encode(),
    "semicolons": table(";"),
    "tabs": table("\t", end="\r\n"),
    "bars": table("|"),
    "separator named": "sep=;\r\n" + table(";"),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + table().encode(),
    "separator named in capitals": "SEP=;\n" + table(";"),
    "separator named with spaces": '"sep = |"\r\n' + table("|"),
    "a tab named": "sep=\t\n" + table("\t"),
    "UTF-16": table("\t").encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + table("\t").encode("utf-16-be"),
    "carriage returns alone": table(end="\r"),
    "columns without content at the right": table(end=",,,\n"),
    "fields without content at the right": table(end=",,\n").replace("text,,", "text"),
    "empty rows": table() + ",,\r\n\r\n , ,\n",
    "capitals and spaces in the header": table(head=("Trait", " POLE", "Text ")),
    "spaces after quotes": table().replace('."', '."  ').replace("warmth", '"warmth" '),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_certain_is_read(tmp_path, name):
    study, notes = imported(tmp_path, prompts_csv=READ[name])
    found = [(t, p, text.rstrip()) for t, p, text in texts(study)]
    assert (found, notes) == (ROWS, ())


def test_an_index_is_left_out_and_noted(tmp_path):
    rows = table().splitlines()
    numbered = [f",{rows[0]}", *(f"{i},{row}" for i, row in enumerate(rows[1:]))]
    study, (note,) = imported(tmp_path, prompts_csv="\n".join(numbered))
    assert texts(study) == ROWS and "numbers the rows" in note.what
    found, _ = imported(tmp_path, prompts_csv="\n".join(numbered).replace("3,w", "x,w"))
    assert len(found) == 1 and "A column has no name" in found[0]
    columns = dict(zip(HEAD, map(list, zip(*ROWS, strict=True)), strict=True))
    (tmp_path / "prompts.csv").unlink()
    pq.write_table(
        pa.table(columns | {"__index_level_0__": range(4)}), tmp_path / "prompts.parquet"
    )
    assert texts(imported(tmp_path)[0]) == ROWS


# Few of its characters are Latin.
OTHER = table(rows=[(t, p, x + "嬉素\u3000" * 60) for t, p, x in ROWS])
ONE_FAULT = {
    "Windows-1252": (table().encode("cp1252"), "prompts.csv:3: ", "Windows-1252 it is '’'"),
    "UTF-16 without a mark": (table().encode("utf-16-le"), "prompts.csv: ", "looks like UTF-16"),
    "UTF-16 of other letters": (
        OTHER.encode("utf-16-le"),
        "prompts.csv: ",
        "looks like UTF-16 (little-endian) without",
    ),
    "UTF-16 of other letters, big end first": (
        OTHER.encode("utf-16-be"),
        "prompts.csv: ",
        "looks like UTF-16 (big-endian) without",
    ),
    "Cyrillic UTF-16, which is UTF-8 by chance": (
        OTHER.replace("嬉", "щ").replace("素", "я").encode("utf-16-le"),
        "prompts.csv: ",
        "looks like UTF-16",
    ),
    "UTF-32 without a mark": (table().encode("utf-32-le"), "prompts.csv: ", "looks like UTF-32"),
    "UTF-32, big end first": (OTHER.encode("utf-32-be"), "prompts.csv: ", "UTF-32 (big-endian)"),
    "gzip": (gzip.compress(table().encode()), "prompts.csv: The file is a gzip file", "Unpack it"),
    "a zip": (b"PK\3\4" + bytes(range(256)), "prompts.csv: The file is a zip", "as CSV UTF-8"),
    "a workbook": (
        b"PK\3\4" + bytes(99) + b"xl/workbook.xml",
        "prompts.csv: The file is an Excel workbook",
        "as CSV UTF-8",
    ),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200),
        "prompts.csv: The file is an old Excel workbook",
        "as CSV UTF-8",
    ),
    "parquet": (b"PAR1\x15\xffPAR1", "prompts.csv: The file is a parquet", "end in .parquet"),
    "CESU-8": (
        table().replace("glad", "\ud83d\ude00").encode(errors="surrogatepass"),
        "prompts.csv:2: Bytes 0xeda0bdedb880 are one character in two halves (CESU-8)",
        "UTF-8 encoding",
    ),
    "a surrogate as bytes": (
        table().replace("glad", "\ud83d").encode(errors="surrogatepass"),
        "prompts.csv:2: Bytes 0xeda0bd are half of a character",
        "Write the text again",
    ),
    "joined files": (
        table() + "\ufeff" + table(rows=[(*row[:2], f"{row[2]} Again.") for row in ROWS]),
        "prompts.csv:6: A byte order mark stands before the row",
        "header",
    ),
    "cut UTF-16": (table().encode("utf-16")[:-1], "prompts.csv: ", "begins like UTF-16"),
    "capital poles": (
        table(rows=[(t, p.title(), x) for t, p, x in ROWS]),
        "prompts.csv:2: Unknown pole 'High'",
        "line 4 ('Low')",
    ),
    "another header": (
        table(head=("trait", "pole", "txt")),
        "prompts.csv:2: There is no column 'text'",
        "did you mean 'txt'",
    ),
    "another separator named": (
        "sep=;\n" + table(),
        "prompts.csv:1: The line says that ';' separates fields, and line 2 has ','",
        "sep=,",
    ),
    "an unknown separator named": (
        "sep=:\n" + table(":"),
        "prompts.csv:1: The line says that ':' separates fields",
        "commas, semicolons",
    ),
    "a title": (
        "My prompts\n\n" + table(),
        "prompts.csv:1: The line is 'My prompts', and each row below it has 3 fields",
        "above the names",
    ),
    "a comment": (
        "\n# from 2024\n" + table(";", rows=[(t, p, f"{x}\nOn") for t, p, x in ROWS]),
        "prompts.csv:2: The line is '# from 2024'",
        "",
    ),
    "JSON lines": ("\n".join(LINES), "prompts.csv:1: The file holds JSON, not CSV", ".jsonl"),
    "no header": (table().split("\n", 1)[1], "prompts.csv:2: There are no columns", "first line"),
    "values beyond the header": (
        table(end=",1\n").replace("text,1", "text"),
        "prompts.csv:2: 4 fields where the header has 3.",
        "Also lines 3, 4, 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_FAULT)
def test_what_is_not_certain_is_named_once(tmp_path, name):
    content, start, part = ONE_FAULT[name]
    found, _ = imported(tmp_path, prompts_csv=content)
    assert len(found) == 1 and found[0].startswith(start) and part in found[0], found


def test_faults_after_a_fault_of_quotes_are_told_too(tmp_path):
    content = table() + 'warmth,high,"a" b\nwarmth,lwo,x\nwarmth,low,"never closed\nwarmth,up,y\n'
    found, _ = imported(tmp_path, prompts_csv=content)
    assert [line.split(":")[1] for line in found] == ["6", "7", "8"]
    assert "Also line 9 ('up')" in found[1]


JSON = {
    "commas": (",\n".join(LINES) + ",", "prompts.jsonl:1: A comma", "Also lines 2, 3, 4"),
    "an array": (f"[{', '.join(LINES)}]", "prompts.jsonl:1: ", "one JSON array"),
    "an array of lines": ("[\n" + ",\n".join(LINES) + "\n]", "prompts.jsonl:1: ", "one JSON array"),
    "an object over lines": (json.dumps({"a": 1}, indent=1), "prompts.jsonl:1: ", "several lines"),
    "a key twice": ('{"text": "a", "text": "b"}', "prompts.jsonl:1: The key 'text'", "twice"),
    "a surrogate": (r'{"text": "\ud83d b"}', "prompts.jsonl:1: ", r"half of a character (\ud8"),
    "a surrogate in a key": (r'{"\udc00": 1}', "prompts.jsonl:1: ", "half of a character"),
    "NUL": (LINES[0].replace("glad", r"gl\u0000ad"), "prompts.jsonl:1: text", "NUL character"),
    "raw NUL": (LINES[0].replace("glad", "gl\0ad"), "prompts.jsonl:1: Not JSON", "control"),
    "NaN": ('{"trait": "warmth", "pole": "low", "text": NaN}', "prompts.jsonl:1: text is nan", ""),
    "a real number": ('{"text": -1E400}', "prompts.jsonl:1: The number -1E400", "is too large"),
    "digits": ('{"text": ' + "9" * 400 + "}", "prompts.jsonl:1: ", "A number has 400 digits"),
    "more digits": ('{"text": ' + "9" * 9000 + "}", "prompts.jsonl:1: ", "9,000 digits"),
    "nesting": ('{"text": ' + "[" * 99999, "prompts.jsonl:1: ", "more than 20 deep"),
    "closed nesting": ('{"text": ' + "[" * 30 + "]" * 30 + "}", "prompts.jsonl:1: ", "20 deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_traps_of_json_are_one_fault_with_its_line(tmp_path, name):
    content, start, part = JSON[name]
    good = "" if content.endswith((",", "]")) or "\n" in content else "\n" + "\n".join(LINES)
    found, _ = imported(tmp_path, prompts_jsonl=content + good)
    assert len(found) == 1 and found[0].startswith(start) and part in found[0], found
    assert len(found[0]) < 500


def test_odd_line_ends_and_separators_inside_json_are_read(tmp_path):
    odd = LINES[3].replace("page", "page\u2028\x85")
    for end in ("\n", "\r\n", "\r"):
        study, _ = imported(tmp_path, prompts_jsonl=end.join([*LINES[:3], odd]) + end)
        assert texts(study)[:3] == ROWS[:3] and "\u2028" in texts(study)[3][2]


def with_returns(text, places):
    """The text with a carriage return alone at the end of the lines of some numbers."""
    lines = text.splitlines()
    return "".join(line + ("\r" if n in places else "\n") for n, line in enumerate(lines, start=1))


@pytest.mark.parametrize("places", [{1, 2, 3, 4}, {1}, {3, 4}])
def test_line_ends_of_two_kinds_are_read(tmp_path, places):
    assert texts(imported(tmp_path, prompts_csv=with_returns(table(), places))[0]) == ROWS
    (tmp_path / "prompts.csv").unlink()
    content = with_returns("\n".join(LINES), places)
    assert texts(imported(tmp_path, prompts_jsonl=content)[0]) == ROWS
    found, _ = imported(tmp_path, prompts_jsonl=f"{content}{{")
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:5: Not JSON"), found
    (tmp_path / "prompts.jsonl").unlink()
    for bad in ('warmth,high,"a" b', "warmth,high,b,c"):
        wrong = with_returns(f"{table()}{bad}\nwarmth,lwo,b", {*places, 5, 6})
        found, _ = imported(tmp_path, prompts_csv=wrong)
        assert [f.split(":")[1] for f in found] == ["6", "7"], found


def test_a_carriage_return_inside_a_field_or_record_is_part_of_it(tmp_path):
    rows = [*ROWS[:3], ("warmth", "low", "See\rpage\r\r7.")]
    for end in ("\n", "\r\n", "\r\r\n"):
        assert texts(imported(tmp_path, prompts_csv=table(rows=rows, end=end))[0]) == rows
        found, _ = imported(tmp_path, prompts_csv=table(rows=rows, end=end) + "warmth,lwo,x")
        assert found[0].startswith("prompts.csv:6: Unknown pole")
    (tmp_path / "prompts.csv").unlink()
    content = "\n".join([LINES[0].replace('", "', '",\r"'), *LINES[1:]])
    assert len(imported(tmp_path, prompts_jsonl=content)[0].prompts) == 4
    found, _ = imported(tmp_path, prompts_jsonl=content.replace("page", "pa\rge"))
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:4: Not JSON")


def test_byte_order_marks_of_joined_lines_are_no_part_of_them(tmp_path):
    content = "\ufeff\ufeff" + "\n".join(LINES[:2]) + "\n\ufeff" + "\n".join(LINES[2:]) + "\n\ufeff"
    assert texts(imported(tmp_path, prompts_jsonl=content)[0]) == ROWS


def test_a_file_of_another_ending_is_named(tmp_path):
    found, _ = imported(tmp_path, prompts_json="[]")
    assert len(found) == 1 and "'prompts.json' is there, and is not read" in found[0]


@pytest.mark.parametrize(
    ("metadata", "part"),
    [
        ('{\n"title": "a",\n"title": "b"}', "study.json:3: The key 'title' stands twice"),
        ('{"score_range": [0, Infinity]}', "score_range is [0, inf]"),
        ('{"score_range": [0, 1e999]}', "The number 1e999 is too large. Write a smaller one."),
        ('{"score_range": [0, 1' + "0" * 200 + "]}", "score_range is [0, 1000"),
        ('{"traits": {"warmth": 5}}', "description of trait 'warmth' is 5, not text"),
        ('{"title": "a\\u0000"}', "title holds a NUL"),
        ("{", "study.json:1: Not JSON"),
        (b"\xff\xff", "not UTF-8"),
    ],
)
def test_faults_of_study_json(tmp_path, metadata, part):
    found, _ = imported(tmp_path, prompts_csv=table(), study_json=metadata)
    assert len(found) == 1 and part in found[0], found


def test_all_repeated_prompts_are_one_fault_and_white_space_is_a_note(tmp_path):
    near = LINES[0].replace("glad, ", "glad,  ")
    study, (note,) = imported(tmp_path, prompts_jsonl="\n".join([*LINES, near]))
    assert len(study.prompts) == 5
    assert note.line == 5 and "white space only: see line 1. Both are kept." in note.what
    found, notes = imported(tmp_path, prompts_jsonl="\n".join([*LINES, LINES[0], LINES[2], near]))
    assert len(found) == 1 and len(notes) == 1
    assert "2 prompts stand in the file already: line 5 repeats line 1, line 6 repeats" in found[0]


@pytest.mark.parametrize(
    ("first", "second", "by"),
    [
        ("a café", "a cafe\u0301", "what is not seen"),
        ("a b", "a \u200bb", "what is not seen"),
        ("a b", "a\u00ad b", "what is not seen"),
        ("a b", "\ufeffa b", "what is not seen"),
        ("a b", "a b ", "white space"),
    ],
)
@pytest.mark.parametrize("pole", ["high", "low"])
def test_prompts_that_look_the_same_are_noted_also_between_poles(tmp_path, first, second, by, pole):
    more = [{"trait": "warmth", "pole": p, "text": t} for p, t in (("high", first), (pole, second))]
    study, (note,) = imported(tmp_path, prompts_jsonl="\n".join([*LINES, *map(json.dumps, more)]))
    assert len(study.prompts) == 6 and note.line == 6
    assert f"by {by}" in note.what and "see line 5. Both are kept." in note.what
    assert ("of the opposite pole" in note.what) == (pole == "low")


def test_a_text_of_which_nothing_is_seen_is_refused(tmp_path):
    row = json.dumps({"trait": "warmth", "pole": "low", "text": "\u200b \ufeff"})
    found, _ = imported(tmp_path, prompts_jsonl="\n".join([*LINES, row]))
    assert len(found) == 1 and "prompts.jsonl:5: text holds nothing that is seen" in found[0]


def test_a_scored_trait_of_another_normalisation_says_so(tmp_path):
    lines = [json.dumps(json.loads(line) | {"trait": "café"}) for line in LINES]
    content = "scenario,text,score:cafe\u0301\ns0,hello,7\n"
    found, _ = imported(tmp_path, prompts_jsonl="\n".join(lines), responses_csv=content)
    assert len(found) == 1 and "'café' differs from it in Unicode normalisation only" in found[0]


@pytest.mark.parametrize("odd", ["7/10", '"8,5"', "1_0", "REFUSAL", "True", "٧", "0x7", "7%"])
def test_spellings_that_are_no_number_are_one_fault_a_column(tmp_path, odd):
    found, _ = scored(tmp_path, ["5", odd, odd, "N/A", "maybe"])
    shown = odd.strip('"')
    assert len(found) == 1, found
    assert found[0].startswith(
        f"responses.csv:3: The score of 'warmth' is '{shown}', not a number."
    )
    assert "Also line 4 and line 6 ('maybe')." in found[0]


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ("9" * 80, "large"),
        ("-" + "9" * 80, "large"),
        ("1E400", "large"),
        ("1e99999", "large"),
        ("0." + "3" * 80, "long"),
    ],
)
def test_a_number_that_is_not_read_is_not_said_to_be_none(tmp_path, odd, why):
    (fault,), _ = scored(tmp_path, ["5", odd, "7"])
    assert fault.startswith("responses.csv:3: The score of 'warmth' is '")
    assert f"', a number too {why} to be read. Write a number from 0 to 10 with" in fault
    assert odd[:5] in fault and "not a number" not in fault


def test_a_place_with_several_things_of_one_kind_is_listed_once(tmp_path):
    other = [USER | {"name": "n"}, {"role": "assistant", "content": "b", "name": "n"}]
    _, (note,) = chat(tmp_path, *other, USER | {"name": "n", "x": 1}, other[1], USER)
    said = "messages have the key 'name': it is left out. Also line 2 and line 1 ('x')."
    assert note.what == said


def test_blank_and_not_available_are_alike_and_noted(tmp_path):
    study, (note,) = scored(tmp_path, [" 7 ", "1e1", "7\u00a0", "", "N/A", "nan", "none", "#N/A"])
    assert [r.scores.get("warmth") for r in study.responses] == [7, 10, 7, *[None] * 5]
    assert "'N/A': read as not judged" in note.what and "line 7 ('nan')" in note.what


def test_decimal_commas_are_read_where_fields_are_separated_by_semicolons(tmp_path):
    study, _ = scored(tmp_path, ["0,5", "1,25", "7"], ";")
    assert [r.scores["warmth"] for r in study.responses] == [0.5, 1.25, 7]
    for unsure in (["1,500", "2,000"], ["1,5", "2.5"]):
        found, _ = scored(tmp_path, unsure, ";")
        assert len(found) == 1 and "not a number" in found[0]


def ranged(folder, head, rows, most, separator=";"):
    """What becomes of scores under a range from 0, written as they are."""
    text = [("scenario", "text", *head), *((f"s{i}", "hello", *row) for i, row in enumerate(rows))]
    traits = [dict(trait=t, pole=p, text=x + t) for t in ("warmth", "cold") for _, p, x in ROWS]
    return imported(
        folder,
        prompts_jsonl="\n".join(map(json.dumps, traits)),
        responses_csv="\n".join(map(separator.join, text)),
        study_json=json.dumps({"score_range": [0, most]}),
    )


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_points_that_may_mark_thousands_are_refused_with_their_cause(tmp_path, separator):
    head = ("score:warmth",)
    for cells in (["1.500", "750", "1.000"], ["1.500", "2.000"], ["0", "1.500", "750.125"]):
        found, _ = ranged(tmp_path, head, [[cell] for cell in cells], 2000, separator)
        assert len(found) == 1 and "'1.500', whose point may mark thousands" in found[0]


@pytest.mark.parametrize("most", [10, 2000])
def test_a_point_of_three_digits_beside_decimal_commas_is_refused(tmp_path, most):
    head = ("score:warmth", "score:cold")
    rows = [("1.500", "8,5"), ("1.250", "7,25"), ("7", "3,5")]
    found, _ = ranged(tmp_path, head, rows, most)
    assert len(found) == 1 and found[0].startswith("responses.csv:2: The score of 'warmth' is ")
    assert "line 3 ('1.250')" in found[0] and "without a point (1500)" in found[0]
    found, _ = ranged(tmp_path, head[:1], [("1.500",), ("8,5",)], most)
    assert len(found) == 1 and "'1.500', whose point" in found[0]


@pytest.mark.parametrize(
    ("cells", "most"),
    [
        (["1.250", "7.125", "0.500"], 10),
        (["1.250", "7", "3"], 10),
        (["1.250", "512.250", "99.500"], 2000),
        (["1.500", "750", "0.5"], 2000),
        (["1.500", "0.0", "750"], 2000),
        (["1500", "750"], 2000),
    ],
)
def test_points_that_can_only_be_decimal_are_read(tmp_path, cells, most):
    for separator in ";,":
        study, _ = ranged(tmp_path, ("score:warmth",), [[c] for c in cells], most, separator)
        assert [r.scores["warmth"] for r in study.responses] == list(map(float, cells))


def chat(folder, *messages):
    row = {"scenario": "s", "text": "hi", "scores": {"warmth": 1}, "messages": list(messages)}
    rows = [json.dumps(row | {"scenario": f"s{i}"}) for i in range(2)]
    return imported(folder, prompts_csv=table(), responses_jsonl="\n".join(rows))


USER = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"role": "tool", "content": "b"}, "Unknown role 'tool' in messages, item 2."),
        ({"role": "developer", "content": "b"}, "a developer's message is a system message"),
        ({"role": "assistant", "content": None}, "item 2 (assistant) has the content None"),
        ({"role": "assistant"}, "item 2 (assistant) has no content"),
        ({"role": "assistant", "content": [{"type": "image"}]}, "item 2 (assistant) has the cont"),
        ({"role": "assistant", "content": "a\0"}, "item 2 (assistant): content holds a NUL"),
        ({"content": "b"}, "item 2 has no role"),
        ("b", "item 2 is 'b'"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_read_name_item_and_key(tmp_path, message, part):
    found, _ = chat(tmp_path, USER, message, USER)
    assert len(found) == 1 and part in found[0] and "Also line 2." in found[0], found


PARTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


@pytest.mark.parametrize(
    ("messages", "part", "remedy"),
    [
        (
            [{"from": ("human", "gpt")[n % 2], "value": f"v{n}"} for n in range(61)],
            "item 1 has from and value (ShareGPT), also items 2, 3, 4, 5, 6 and 55 more.",
            'role for "from" (user for human, assistant for gpt) and content for "value"',
        ),
        (
            [{"role": ("human", "ai")[n % 2], "content": "v"} for n in range(61)],
            "Unknown role 'human' in messages, item 1, also items 3, 4, 5, 6, 7, item 2 ('ai')",
            "a human is the user, and ai, gpt, bot or model the assistant",
        ),
        (
            [{"role": ("user", "assistant")[n % 2], "content": PARTS} for n in range(61)],
            "item 1 (user) has the content [{'text': 'a', 'type': 'text'}, {'text': 'b', ",
            "as one string",
        ),
        ([USER, {"role": "assistant", "content": " "}] * 3, "item 2 (assistant): content is", ""),
    ],
)  # fmt: skip
def test_one_cause_in_all_messages_is_one_fault_that_lists_its_items(
    tmp_path, messages, part, remedy
):
    found, _ = chat(tmp_path, *messages)
    assert len(found) == 1 and part in found[0] and remedy in found[0], found
    assert "Also line 2." in found[0] and len(found[0]) < 700
    rows = [
        json.dumps({"scenario": f"s{n}", "text": "hi", "scores": {}, "messages": messages[:n]})
        for n in (6, 4, 2)
    ]
    found, _ = imported(tmp_path, responses_jsonl="\n".join(rows))
    assert len(found) == 1 and part[:20] in found[0], found


def test_other_keys_of_messages_are_left_out_and_noted_once(tmp_path):
    part = {"role": "user", "content": [{"type": "text", "text": "a"}], "name": "n"}
    study, (note,) = chat(tmp_path, part | {"refusal": None})
    assert study.responses[0].messages[0].content == "a"
    assert "the key 'name': it is left out. Also line 2." in note.what


BAD_LINES = {
    "a tab in a string": LINES[2].replace("Noted", "No\tted"),
    "a comment": f"// mine\n{LINES[2]} // yours",
    "half of a pair": LINES[2].replace("Noted", r"\ud83d"),
    "text is null": json.dumps(dict(zip(HEAD, ("warmth", "low", None), strict=True))),
    "an unknown pole": LINES[2].replace("low", "lwo"),
    "two on a line": f"{LINES[2]}{LINES[3]}",
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_cannot_be_read_is_the_one_fault(tmp_path, name):
    """What the file then lacks is not known."""
    lines = [LINES[0], LINES[1], BAD_LINES[name], *([] if "two on" in name else LINES[3:])]
    found, _ = imported(tmp_path, prompts_jsonl="\n".join(lines))
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:3: "), found


def test_a_line_that_cannot_be_read_may_have_named_any_trait(tmp_path):
    row = {"scenario": "s", "text": "t", "scores": {"cold": 3}}
    found, _ = imported(
        tmp_path,
        prompts_jsonl="\n".join([*LINES, "// cold"]),
        responses_jsonl=json.dumps(row),
        study_json=json.dumps({"traits": {"cold": ""}}),
    )
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:5: Not JSON")


def test_a_row_of_too_many_fields_is_the_one_fault(tmp_path):
    found, _ = imported(tmp_path, prompts_csv=table().replace('page 7."', 'page 7.",a,b,c'))
    assert len(found) == 1 and found[0].startswith("prompts.csv:5: 6 fields")


def test_pairs_lack_nothing_where_a_line_cannot_be_read(tmp_path):
    rows = [json.loads(line) | {"pair": str(n % 2)} for n, line in enumerate(LINES)]
    lines = list(map(json.dumps, rows))
    assert len(imported(tmp_path, prompts_jsonl="\n".join(lines))[0].prompts) == 4
    found, _ = imported(tmp_path, prompts_jsonl="\n".join([*lines[:3], lines[3][:-1]]))
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:4: Not JSON")


@pytest.mark.parametrize("scores", [[{"trait": "warmth", "score": 7}], 7, {"warmth": "seven"}])
def test_scores_that_cannot_be_read_are_not_said_to_lack(tmp_path, scores):
    row = {"scenario": "s", "text": "t", "scores": scores}
    found, _ = imported(tmp_path, prompts_csv=table(), responses_jsonl=json.dumps(row))
    assert len(found) == 1 and found[0].startswith("responses.jsonl:1: "), found


@pytest.mark.parametrize(
    "column", ["warmth", "Warmth", "score_warmth", "scores", "score", "warmth score"]
)
def test_a_column_of_scores_by_another_name_is_asked_after(tmp_path, column):
    content = f"scenario,text,{column}\ns0,hello,7\ns1,hello,3\n"
    found, _ = imported(tmp_path, prompts_csv=table(), responses_csv=content)
    assert (
        len(found) == 1 and f"Unknown column '{column}'. Did you mean 'score:warmth'?" in found[0]
    )


def test_several_columns_of_scores_by_other_names_are_one_fault(tmp_path):
    content = "scenario,text,warmth,cold\ns0,hello,7,2\n"
    lines = [
        json.dumps(json.loads(line) | {"trait": t}) for t in ("warmth", "cold") for line in LINES
    ]
    prompts = "\n".join(lines)
    found, _ = imported(tmp_path, prompts_jsonl=prompts, responses_csv=content)
    assert len(found) == 1, found
    assert (
        "Unknown columns 'warmth', 'cold'. Did you mean 'score:warmth', 'score:cold'?" in found[0]
    )
    (tmp_path / "responses.csv").unlink()
    twice = content.replace("warmth,cold", "score:warmth,Score:warmth")
    found, _ = imported(tmp_path, responses_csv=twice)
    assert len(found) == 1 and "Did you mean" not in found[0]
    (tmp_path / "responses.csv").unlink()
    row = {"scenario": "s", "text": "t", "cold": 7}
    found, _ = imported(tmp_path, responses_jsonl=json.dumps(row))
    assert len(found) == 1 and 'Did you mean "scores": {"cold": number}?' in found[0]


def zip_of(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        {"s/prompts.csv": table(), "__MACOSX/s/._prompts.csv": "x", "s/.DS_Store": "x"},
        {"s\\prompts.csv": table()},
        {"./PROMPTS.CSV": table()},
    ],
)
def test_zips_of_other_systems_are_read(tmp_path, entries):
    assert texts(read_study(zip_of(tmp_path / "s.zip", entries))) == ROWS


def damaged(data):
    return data.replace(b"I am glad", b"I am sad!")


def locked(data):
    return data[:6] + b"\1" + data[7:].replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (damaged, "The zip is damaged"),
        (locked, "protected by a password"),
        (lambda data: data[:-30], "The zip is damaged"),
        (lambda data: b"", "The zip is damaged"),
    ],
)
def test_zips_that_cannot_be_read_are_one_sentence(tmp_path, change, part):
    path = zip_of(tmp_path / "s.zip", {"s/prompts.csv": table()})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StudyFaults) as caught:
        read_study(path)
    assert len(caught.value.faults) == 1 and part in caught.value.faults[0].what


def test_two_copies_in_a_zip_are_one_sentence(tmp_path):
    entries = {"s/prompts.csv": table(), "s/backup/prompts.csv": table()}
    with pytest.raises(StudyFaults, match="in 2 folders: 's', 's/backup'") as caught:
        read_study(zip_of(tmp_path / "s.zip", entries))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("trait", ["a/b", "<b>", "50%", 'a"b', "a\nb", "x" * 200])
def test_names_that_cannot_be_used_everywhere_are_refused(tmp_path, trait):
    rows = [json.dumps(json.loads(line) | {"trait": trait}) for line in LINES]
    found, _ = imported(tmp_path, prompts_jsonl="\n".join(rows))
    assert len(found) == 1 and found[0].startswith("prompts.jsonl:1: trait ")


def test_names_are_read_without_white_space_around_them(tmp_path):
    rows = [json.dumps(json.loads(line) | {"trait": " warmth "}) for line in LINES]
    assert texts(imported(tmp_path, prompts_jsonl="\n".join(rows))[0]) == ROWS


def test_prompts_that_cannot_be_read_accuse_nothing_else(tmp_path):
    responses = '{"scenario": "s", "text": "t", "scores": {"warmth": 5}}'
    found, _ = imported(
        tmp_path, prompts_csv=b"\x80", responses_jsonl=responses, study_json='{"traits": {"a": ""}}'
    )
    assert len(found) == 1 and "Byte 0x80" in found[0]


def test_an_import_tells_its_notes_and_keeps_nothing_of_a_faulty_study(settings, tmp_path):
    near = "\n".join([*LINES, LINES[0].replace("glad, ", "glad,  ")])
    found = imports.import_upload(settings, [("prompts.jsonl", near.encode())], "noted")
    assert [note.line for note in found.notes] == [5]
    kept = sorted(settings.studies.iterdir())
    for file in (("prompts.jsonl", b"{"), ("s.zip", b"PK"), ("prompts.parquet", b"PAR1" * 9)):
        with pytest.raises(StudyFaults):
            imports.import_upload(settings, [file], "faulty")
    assert sorted(settings.studies.iterdir()) == kept
    assert list(settings.work.iterdir()) == []


def test_of_two_uploads_of_one_name_none_is_lost(settings):
    """A browser sends files of two folders without their folders."""
    table = "\n".join(LINES).encode()
    for files, why in (
        ([("prompts.jsonl", table), ("prompts.jsonl", b"{")], "Two files of the name"),
        ([("a/prompts.jsonl", table), ("b/prompts.jsonl", table)], "Two files of the name"),
        ([("s.zip", b"PK"), ("s.zip", b"PK")], "2 zips were uploaded"),
    ):
        with pytest.raises(SteerscopeError, match=why):
            imports.import_upload(settings, files, "twice")
    assert list(settings.studies.iterdir()) == []


def test_uploads_that_cannot_be_named_or_are_two_studies_say_so(settings):
    files = [("a.zip", b""), ("b.zip", b"")]
    with pytest.raises(SteerscopeError, match="2 zips were uploaded, and each zip is one study"):
        imports.import_upload(settings, files, "")
    with pytest.raises(SteerscopeError, match="The study has no name") as fault:
        imports.import_upload(settings, [("prompts.csv", b"")], "")
    assert "tmp" not in str(fault.value)

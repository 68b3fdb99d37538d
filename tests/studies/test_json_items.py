"""A JSON array gives its records with the lines on which they begin."""

from __future__ import annotations

import json

import pytest

from backend.errors import StudyFaults
from backend.studies.json_text import JsonFault, parse_items
from backend.studies.parsed_files import parse_files

ITEMS = [{"a": 1, "b": "x\ny"}, [], "text", {"c": {"d": [1, 2]}}, 5.5, None]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_items_and_lines_are_those_of_the_text(indent):
    text = json.dumps(ITEMS, indent=indent)
    found = parse_items(f"\n {text}\n")
    assert [value for _, value in found] == ITEMS
    first = found[0][0]
    # By hand: each item begins on the line that holds its first sign, and lines follow each other.
    lines = f"\n {text}\n".split("\n")
    for line, value in found:
        start = json.dumps(value)[0]
        assert start in lines[line - 1]
    assert first == (2 if indent is None else 3)
    assert [line for line, _ in found] == sorted(line for line, _ in found)


def test_lines_of_records_are_counted_by_hand():
    assert [line for line, _ in parse_items('[\n{"a":\n1},\n\n{"a": 2}, {"a": 3}]')] == [2, 5, 5]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[1, 2", 1), ("[1,\n,2]", 2), ("[1 2]", 1), ("[1,]", 1), ("[1]\nx", 1), ("[", 1)],
)
def test_what_is_no_array_is_told_with_its_line(text, line):
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(JsonFault) as told:
        parse_items(text)
    assert told.value.line == line


def test_records_on_one_line_have_their_numbers():
    rows = parse_files({"a.json": b'[{"x": 1}, {"x": 2}]', "b.json": b'[{"x": 1}, 2]'})
    assert [row.line for row in rows["a.json"].rows] == [1, 2]
    assert rows["b.json"].rows == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('"a", "x": "b"', "Item 2: The key 'x' stands twice. Keep one of them."),
        (r'"\ud83d"', r"Item 2: A text holds half of a character (\ud83d)"),
        ("[" * 30 + "]" * 30, "Item 2: Lists or objects stand in each other, more than 20 deep."),
        ("[" * 100_000, "Item 2: Lists or objects stand in each other, more than 20 deep."),
        ("9" * 400, "Item 2: A number has 400 digits. Write a smaller one."),
        ("1E400", "Item 2: The number 1E400 is too large. Write a smaller one."),
    ],
)
@pytest.mark.parametrize("apart", ["\n", ""])
def test_what_is_wrong_with_an_item_is_told_with_its_number_and_line(wrong, said, apart):
    text = f'[{{"x": "a"}},{apart}{{"x": {wrong}}},{apart}{{"x": "c"}}]'
    (file,) = parse_files({"a.json": text.encode()}).values()
    assert file.rows == ()
    with pytest.raises(StudyFaults) as told:
        file.faults.raise_if_any()
    (fault,) = told.value.faults
    assert fault.line == (2 if apart else 1) and said in str(fault)


def test_an_array_may_be_as_deep_as_it_could_be():
    for depth, good in ((20, True), (21, False)):
        text = "[" + "[" * depth + "]" * depth + "]"
        (file,) = parse_files({"a.json": text.encode()}).values()
        assert (file.value is not None) is good

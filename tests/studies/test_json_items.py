"""A JSON array gives its records with the lines on which they begin."""

from __future__ import annotations

import json

import pytest

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

"""What a mapping says: which tables hold prompts and responses, and what their columns are.

A mapping is a small JSON file (docs/formats.md), so that one made on the page can be used again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.studies.encoding import as_utf8
from backend.studies.faults import FaultList, nearest, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.limits import MOST_METADATA_BYTES, MOST_SCORE, size

RecordKind = Literal["prompts", "responses"]
KINDS: tuple[RecordKind, ...] = ("prompts", "responses")
# What a table's columns can be.
FIELDS: dict[RecordKind, tuple[str, ...]] = {
    "prompts": (
        "text",
        "pole",
        "high",
        "low",
        "trait",
        "prompt_set",
        "pair",
        "messages",
        "question",
        "system",
    ),
    "responses": (
        "text",
        "score",
        "trait",
        "scenario",
        "turn",
        "responder",
        "group",
        "messages",
        "question",
        "system",
    ),
}
# Fields whose values may be written otherwise in a table, and what they are in a study.
CODED: dict[str, tuple[str, ...]] = {"pole": ("high", "low"), "turn": ("t1", "tN")}
SCALE = (0.0, 10.0)
_TOP = (*KINDS, "scale", "provenance")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as in the table.
        values: value in a study -> how the table writes it; empty where it writes the same.
        skip: values whose rows are left out.
    """

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constant:
    """One value for every row."""

    value: str


@dataclass(frozen=True)
class MappedTable:
    """What the columns of one table are.

    Attributes:
        file: its path below the folder; empty for the only table.
        fields: field, of ``FIELDS``, -> where its values are.
        scores: trait -> its column of scores, where each trait has one.
    """

    file: str
    fields: Mapping[str, Column | Constant]
    scores: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyMapping:
    """How tables become a study.

    Attributes:
        prompts: tables of prompts.
        responses: tables of responses; may be none.
        scale: lowest and highest possible score.
        provenance: who wrote and who scored it; may be empty.
    """

    prompts: tuple[MappedTable, ...]
    responses: tuple[MappedTable, ...] = ()
    scale: tuple[float, float] = SCALE
    provenance: str = ""


def lacking(kind: RecordKind, table: MappedTable) -> tuple[str, ...]:
    """Fields that a table must have and has not. Args: what it holds, and its mapping."""
    there = table.fields.keys()
    text = () if "text" in there or "messages" in there else ("text",)
    trait = () if "trait" in there else ("trait",)
    if kind == "prompts":
        if {"high", "low"} & there:
            return (*(c for c in ("high", "low") if c not in there), *trait)
        return (*text, *(() if "pole" in there else ("pole",)), *trait)
    # Without it every row would be a conversation of its own, and look independent.
    scenario = ("scenario",) if "turn" in there and "scenario" not in there else ()
    if table.scores:
        return (*text, *scenario)
    return (*text, *(() if "score" in there else ("score",)), *trait, *scenario)


def mapping_json(mapping: StudyMapping) -> str:
    """The mapping as a file; null stands where a field must be filled in."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        tables = [_table_values(kind, table) for table in getattr(mapping, kind)]
        if tables:
            found[kind] = tables[0] if len(tables) == 1 else tables
    if mapping.responses:
        found["scale"] = [int(n) if n == int(n) else n for n in mapping.scale]
    if mapping.provenance:
        found["provenance"] = mapping.provenance
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _table_values(kind: RecordKind, table: MappedTable) -> dict[str, Any]:
    missing = lacking(kind, table)
    found: dict[str, Any] = {"file": table.file} if table.file else {}
    for name in FIELDS[kind]:
        where = table.fields.get(name)
        if isinstance(where, Constant):
            found[name] = {"constant": where.value}
        elif where is not None and (where.values or where.skip):
            skip = {"skip": list(where.skip)} if where.skip else {}
            found[name] = {"column": where.name, **where.values, **skip}
        elif where is not None:
            found[name] = where.name
        elif name in missing:
            found[name] = None
    if table.scores:
        found["scores"] = dict(table.scores)
    return found


def read_mapping(name: str, content: bytes, faults: FaultList) -> StudyMapping | None:
    """The mapping that a file holds; None after a fault.

    Args:
        name: of the file.
        content: its bytes.
        faults: told of everything wrong.
    """
    before = faults.count
    values = _object(name, content, faults)
    if values is None:
        return None
    for key in values:
        if key not in _TOP:
            remedy = f"{nearest(key, _TOP)} Rename or remove it."
            faults.add(name, None, f"Unknown key {shown(key)}.", remedy)
    tables = {kind: _tables(name, kind, values.get(kind), faults) for kind in KINDS}
    provenance = values.get("provenance", "")
    if not isinstance(provenance, str):
        faults.add(name, None, "provenance is {}, not text.", "Write a string.", shown(provenance))
    if not tables["prompts"] and faults.count == before:
        faults.add(
            name,
            None,
            "It names no table of prompts.",
            'Add "prompts": a study needs prompts of two poles.',
        )
    scale = _scale(name, values.get("scale", list(SCALE)), faults)
    if faults.count > before:
        return None
    return StudyMapping(tables["prompts"], tables["responses"], scale, provenance)


def _object(name: str, content: bytes, faults: FaultList) -> dict[str, Any] | None:
    if len(content) > MOST_METADATA_BYTES:
        most = f"At most {size(MOST_METADATA_BYTES)} are read."
        faults.add(name, None, f"The file has {size(len(content))}.", most)
        return None
    data = as_utf8(name, content, faults)
    if data is None:
        return None
    try:
        values = parse_json(data.decode())
        count_values(values)
    except JsonFault as fault:
        faults.add(
            name, fault.line, fault.what, fault.remedy or "Write one JSON object.", fault.value
        )
        return None
    if not isinstance(values, dict):
        faults.add(name, None, "Not a JSON object.", 'Write {"prompts": {...}}.')
        return None
    return values


def _tables(
    name: str, kind: RecordKind, given: object, faults: FaultList
) -> tuple[MappedTable, ...]:
    if given is None:
        return ()
    every = given if isinstance(given, list) else [given]
    found = []
    for number, one in enumerate(every, start=1):
        place = f"{kind}[{number}]" if len(every) > 1 else kind
        if isinstance(one, dict):
            found.append(_table(name, kind, place, one, faults))
        else:
            what = f"{place} is {{}}, no object."
            faults.add(name, None, what, 'Write {"file": ..., "text": ...}.', shown(one))
    return tuple(found)


def _table(
    name: str, kind: RecordKind, place: str, given: Mapping[str, Any], faults: FaultList
) -> MappedTable:
    before = faults.count
    known = ("file", *FIELDS[kind], *(("scores",) if kind == "responses" else ()))
    fields = {}
    for key, value in given.items():
        if key not in known:
            what = f"Unknown key {shown(key)} in {place}."
            faults.add(name, None, what, f"{nearest(key, known)} Rename or remove it.")
        elif key in FIELDS[kind] and value is not None:
            where = _where(name, key, f"{place}.{key}", value, faults)
            if where is not None:
                fields[key] = where
    file = given.get("file", "")
    if not isinstance(file, str):
        faults.add(name, None, f"{place}.file is {{}}.", "Write a file's name.", shown(file))
        file = ""
    scores = given.get("scores") or {}
    if not _texts(scores):
        what = f"{place}.scores is {{}}."
        faults.add(name, None, what, 'Write {"trait": "column"}.', shown(scores))
        scores = {}
    table = MappedTable(file, fields, scores)
    if faults.count == before:
        for key in lacking(kind, table):
            faults.add(name, None, f"{place} has no {key}.", _REMEDIES[key])
        if table.scores and table.fields.keys() & {"score", "trait"}:
            what = f"{place} has scores, and also score or trait."
            faults.add(name, None, what, "Keep scores for one column a trait, else the others.")
        if kind == "prompts" and table.fields.keys() & {"high", "low"}:
            doubled = sorted(table.fields.keys() & {"text", "pole", "pair"})
            if doubled:
                what = f"{place} has high and low, and also {' and '.join(doubled)}."
                faults.add(name, None, what, "A row of high and low is a pair of texts: keep one.")
    return table


# What to do where a field is missing.
_REMEDIES = {
    "text": 'Name its column: "text": "answer".',
    "pole": 'Name its column and values: "pole": {"column": "label", "high": "1", "low": "0"}, '
    'or "high" and "low" for a column of each.',
    "high": "Name the column of the high pole's texts.",
    "low": "Name the column of the low pole's texts.",
    "trait": 'Name its column, or {"constant": "warmth"}.',
    "scenario": "It has turns, which mean nothing without their conversation: name the column of "
    "conversations, or leave turn out.",
    "score": 'Name its column, or "scores": {"warmth": "column"} for one column a trait.',
}


def _where(
    name: str, key: str, place: str, value: object, faults: FaultList
) -> Column | Constant | None:
    """A column by its name, one with its values, or a constant; None after a fault."""
    if isinstance(value, str):
        return Column(value)
    if isinstance(value, dict):
        if value.keys() == {"constant"} and isinstance(value["constant"], str):
            return Constant(value["constant"])
        coded = {k: str(v) for k, v in value.items() if k not in ("column", "skip")}
        skip = value.get("skip", [])
        if (
            isinstance(value.get("column"), str)
            and coded.keys() <= set(CODED.get(key, ()))
            and isinstance(skip, list)
        ):
            return Column(value["column"], coded, tuple(map(str, skip)))
    values = "".join(f', "{one}": "..."' for one in CODED.get(key, ()))
    faults.add(
        name,
        None,
        f"{place} is {{}}.",
        f'Write a column\'s name, {{"constant": "..."}} or {{"column": "..."{values}}}.',
        shown(value),
    )
    return None


def as_compared(value: object) -> str:
    """A value as a mapping compares it: 1, 1.0 and "1" are one, and so are true and "True"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().casefold()


def _texts(given: object) -> bool:
    return isinstance(given, dict) and all(isinstance(v, str) for v in given.values())


def _scale(name: str, given: object, faults: FaultList) -> tuple[float, float]:
    if isinstance(given, list) and len(given) == 2:
        low, high = given
        numbers: Sequence[object] = (low, high)
        if (
            all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
            and -MOST_SCORE <= low < high <= MOST_SCORE
        ):
            return float(low), float(high)
    faults.add(
        name,
        None,
        "scale is {}.",
        f"Write [lowest, highest], such as [0, 10], within {MOST_SCORE:g} of zero.",
        shown(given),
    )
    return SCALE

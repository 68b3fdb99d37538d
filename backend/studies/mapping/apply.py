"""Tables become a study by a mapping: their rows are written as those of docs/studies.md, and read
as those are, so that one set of checks holds for both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.studies.csv_table import SCORE_PREFIX
from backend.studies.faults import FaultList, nearest, shown
from backend.studies.foreign.form import UnderstoodStudy, add_nothing_left, note_skipped
from backend.studies.mapping.form import (
    KINDS,
    Column,
    Constant,
    MappedTable,
    RecordKind,
    StudyMapping,
    as_compared,
    lacking,
)
from backend.studies.parsed_files import Files, Parsed
from backend.studies.prompts import PromptPlace, check_prompts, place_prompts
from backend.studies.responses import read_responses
from backend.studies.rows import Record
from backend.types import POLES, Prompt, Response

TITLE = "a table by its mapping"
# Fields that a study's row has under the same name.
_SAME = ("trait", "prompt_set", "pair", "scenario", "turn", "responder", "group")
# Where a mapping, or the form that makes one, says which scores are possible.
_RANGE_AT = "the mapping's scale (the lowest and highest possible score)"
# Rows of one score each are of the same response where these are the same.
_RESPONSE = ("scenario", "turn", "responder", "text", "messages")


def apply_mapping(
    mapping: StudyMapping, name: str, files: Files, faults: FaultList
) -> UnderstoodStudy | None:
    """The study that a mapping makes of tables; None after a fault.

    Rows without a text are left out and noted.

    Args:
        mapping: which columns are what.
        name: of the mapping's file, for faults of it.
        files: path -> parsed file.
        faults: told of everything wrong.
    """
    before = faults.count
    tables = {
        kind: [
            (file, table)
            for table in getattr(mapping, kind)
            if (file := _file_of(kind, table, name, files, faults)) is not None
        ]
        for kind in KINDS
    }
    if faults.count > before:
        return None
    placed: list[tuple[Prompt, PromptPlace]] = []
    for file, table in tables["prompts"]:
        written = list(_prompt_rows(file, table, faults))
        if written:
            placed += place_prompts(file.path, written, faults)
    complete = faults.count == before
    check_prompts(TITLE, placed, faults, complete=complete)
    if not placed and faults.count == before:
        add_nothing_left(TITLE, [file.path for file, _ in tables["prompts"]], faults)
        return None
    traits = {prompt.trait for prompt, _ in placed} if complete else None
    responses: list[Response] = []
    for file, table in tables["responses"]:
        told = faults.count
        rows = _response_rows(file, table, faults)
        read = read_responses(
            file.path,
            rows,
            traits,
            mapping.scale,
            faults,
            range_at=_RANGE_AT,
            complete=faults.count == told,
        )
        _check_across(file.path, responses, read, faults)
        responses += read
    if faults.count > before:
        return None
    return UnderstoodStudy(
        mapping.provenance or "Its authors do not say who wrote and who scored it.",
        placed,
        responses,
        mapping.scale,
    )


def _file_of(
    kind: RecordKind, table: MappedTable, name: str, files: Files, faults: FaultList
) -> Parsed | None:
    """The table's file, after seeing that all columns of its mapping are there."""
    readable = {path: file for path, file in files.items() if file.rows}
    path = table.file or (next(iter(readable)) if len(readable) == 1 else "")
    file = files.get(path)
    if file is None:
        what = f"{kind}: there is no file {{}}." if path else f"{kind}: which file is meant?{{}}"
        faults.add(name, None, what, nearest(path, readable), shown(path) if path else "")
        return None
    if file.faults.count or not file.rows:
        faults.extend(file.faults)
        if not file.faults.count:
            faults.add(path, None, "The file holds no table of records.", "Name another file.")
        return None
    missing = lacking(kind, table)
    if missing:
        what = f"{kind}: it is not said where {' and '.join(missing)} of {shown(path)} is."
        remedy = "Name its column."
        if "scenario" in missing:
            remedy += " Turns mean nothing without their scenario: name it, or choose no turns."
        faults.add(name, None, what, remedy)
    named = [(key, where.name) for key, where in table.fields.items() if isinstance(where, Column)]
    for key, column in [*named, *((f"scores of {t}", c) for t, c in table.scores.items())]:
        if column not in file.columns:
            what = f"{kind}, {key}: {path} has no column {shown(column)}."
            there = f"There are {', '.join(sorted(file.columns)[:20])}."
            faults.add(name, None, what, f"{nearest(column, file.columns)} {there}")
    return file


def _prompt_rows(file: Parsed, table: MappedTable, faults: FaultList) -> Iterator[Record]:
    """Rows as prompts.* has them; two for a row that holds a pair."""
    sides = [pole for pole in POLES if pole in table.fields]
    blank = []
    for number, row in enumerate(_kept(file, table, faults), start=1):
        if not sides:
            values = _common(row, table)
            values["pole"] = _coded(file.path, "pole", row, table, faults)
            if _blank(values["text"]):
                blank.append(row.line)
            elif values["pole"] is not None:
                yield Record(row.line, values)
            continue
        texts = {pole: _value(table.fields[pole], row) for pole in sides}
        if any(map(_blank, texts.values())):
            blank.append(row.line)
            continue
        for pole, text in texts.items():
            yield Record(
                row.line, {**_common(row, table), "text": text, "pole": pole, "pair": str(number)}
            )
    note_skipped(file.path, blank, len(file.rows), "hold no text", faults)


def _response_rows(file: Parsed, table: MappedTable, faults: FaultList) -> list[Record]:
    """Rows as responses.* has them; those that hold one score each of a response become one."""
    found: dict[tuple[str, ...], Record] = {}
    blank = []
    for row in _kept(file, table, faults):
        values = _common(row, table)
        if "turn" in table.fields:
            values["turn"] = _coded(file.path, "turn", row, table, faults)
        if _blank(values["text"]):
            blank.append(row.line)
            continue
        scores = {trait: row.values.get(column) for trait, column in table.scores.items()}
        key: tuple[str, ...] = (str(row.line),)
        if not table.scores:
            trait = _trait_of_score(file.path, row, table, faults)
            if trait is None:
                continue
            scores = {trait: _value(table.fields["score"], row)}
            if isinstance(table.fields["trait"], Column):
                key = tuple(str(values.get(k)) for k in _RESPONSE)
        values.pop("trait", None)
        values.setdefault("scenario", f"row {row.line}")
        first = found.setdefault(key, Record(row.line, values))
        _add_scores(file.path, first, scores)
    note_skipped(file.path, blank, len(file.rows), "hold no text", faults)
    return list(found.values())


def _add_scores(path: str, row: Record, scores: Mapping[str, object]) -> None:
    """Add scores to a row where its file's ending has them; a trait's next score is #2, #3."""
    prefix = "" if path.endswith(".jsonl") else SCORE_PREFIX
    into: dict[str, Any] = row.values if prefix else row.values.setdefault("scores", {})
    for trait, score in scores.items():
        name, number = f"{prefix}{trait}", 1
        while name in into:
            number += 1
            name = f"{prefix}{trait}#{number}"
        into[name] = score


def _trait_of_score(path: str, row: Record, table: MappedTable, faults: FaultList) -> str | None:
    value = _value(table.fields["trait"], row)
    if isinstance(value, str) and value.strip():
        return value.strip()
    faults.add(path, row.line, "trait is {}, not text.", "Fill it in.", shown(value))
    return None


def _kept(file: Parsed, table: MappedTable, faults: FaultList) -> Iterator[Record]:
    """Rows but those whose values a mapping leaves out."""
    skipped = [
        (where.name, set(map(as_compared, where.skip)))
        for where in table.fields.values()
        if isinstance(where, Column) and where.skip
    ]
    left_out = []
    for row in file.rows:
        if any(as_compared(row.values.get(column)) in skip for column, skip in skipped):
            left_out.append(row.line)
        else:
            yield row
    note_skipped(file.path, left_out, len(file.rows), "are skipped by the mapping", faults)


def _common(row: Record, table: MappedTable) -> dict[str, Any]:
    """What rows of prompts and of responses have alike."""
    values = {key: _value(table.fields[key], row) for key in _SAME if key in table.fields}
    values = {
        key: str(int(value)) if isinstance(value, float) and value.is_integer() else value
        for key, value in values.items()
    }
    messages = _value(table.fields["messages"], row) if "messages" in table.fields else None
    if "question" in table.fields:
        question = _value(table.fields["question"], row)
        system = _value(table.fields["system"], row) if "system" in table.fields else None
        turns = [("system", system), ("user", question)]
        messages = [{"role": role, "content": said} for role, said in turns if not _blank(said)]
    text = _value(table.fields["text"], row) if "text" in table.fields else None
    if "text" not in table.fields and isinstance(messages, list) and messages:
        *before, last = messages  # a whole conversation: its last answer is the text
        if isinstance(last, dict) and last.get("role") == "assistant":
            text, messages = last.get("content"), before
    values["text"] = text
    if messages:
        values["messages"] = messages
    return values


def _value(where: Column | Constant, row: Record) -> Any:
    return where.value if isinstance(where, Constant) else row.values.get(where.name)


def _coded(path: str, key: str, row: Record, table: MappedTable, faults: FaultList) -> Any:
    """The row's pole or turn as a study writes it; None after a fault."""
    where = table.fields[key]
    value = _value(where, row)
    if isinstance(where, Constant) or not where.values:
        return value
    by_value = {as_compared(theirs): ours for ours, theirs in where.values.items()}
    found = by_value.get(as_compared(value))
    if found is None:
        said = " and ".join(f"{theirs!r} for {ours}" for ours, theirs in where.values.items())
        faults.add(
            path,
            row.line,
            f"{where.name} is {{}}, which the mapping does not know as a {key}.",
            f'It knows {said}. Add it to "skip" to leave such rows out.',
            shown(value),
        )
    return found


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _check_across(
    path: str, before: Sequence[Response], read: Sequence[Response], faults: FaultList
) -> None:
    """See that responses of two tables are different ones, and have turns in both or in neither."""
    seen = {(r.scenario, r.responder, r.turn) for r in before}
    twice = [r for r in read if (r.scenario, r.responder, r.turn) in seen]
    if twice:
        faults.add(
            path,
            None,
            f"{len(twice)} responses have the scenario, turn and responder of another table, such "
            f"as {shown(twice[0].scenario)}.",
            'Give each table its responder: "responder": {"constant": "model-a"}.',
        )
    if before and read and (before[0].turn is None) != (read[0].turn is None):
        faults.add(
            path,
            None,
            "Responses of one table have turns, those of another have none.",
            "Give every response a turn, or none.",
        )

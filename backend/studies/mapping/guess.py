"""A mapping guessed from names and values of columns, for a person to look at."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from backend.names import name_problem
from backend.studies.mapping.form import (
    SCALE,
    Column,
    Constant,
    MappedTable,
    StudyMapping,
    as_compared,
)
from backend.studies.parsed_files import Files, Parsed
from backend.studies.rows import Record
from backend.studies.scores import is_missing, read_number
from backend.turns import name_turns

# Columns of a pair's two texts: high, low.
PAIRS = (
    ("answer_matching_behavior", "answer_not_matching_behavior"),
    ("positive", "negative"),
    ("positive_response", "negative_response"),
    ("pos", "neg"),
    ("high", "low"),
    ("chosen", "rejected"),
)
# Values of a pole: high, low.
_POLES = (
    ("high", "low"),
    ("pos", "neg"),
    ("positive", "negative"),
    ("1", "0"),
    ("1", "-1"),
    ("true", "false"),
    ("yes", "no"),
    ("+", "-"),
)
# Names of columns, the likeliest first; compared in small letters, other signs as "_".
_NAMES = {
    "text": (
        "text",
        "response",
        "answer",
        "completion",
        "output",
        "reply",
        "generation",
        "sentence",
        "statement",
        "content",
        "prompt",
    ),
    "pole": ("pole", "label", "polarity", "class", "side", "direction", "valence", "sign"),
    "trait": ("trait", "concept", "behavior", "behaviour", "persona", "attribute"),
    "score": ("score", "rating", "judge_score", "judgement", "grade"),
    "scenario": ("scenario", "scenario_id", "conversation_id", "id", "sample_id", "item"),
    "turn": ("turn", "turn_id", "turn_index"),
    "responder": ("responder", "model", "model_name", "system_name", "author", "speaker"),
    "group": ("group", "question_id", "prompt_id", "template_id", "seed_id"),
    "pair": ("pair", "pair_id"),
    "prompt_set": ("prompt_set", "set", "split", "version"),
    "messages": ("messages", "conversation", "history", "chat"),
    "question": ("question", "user", "instruction", "query", "prompt", "input"),
    "system": ("system", "system_prompt", "system_message"),
}
_FEW_TURNS = 2
# Words around a trait in the name of its column of scores.
_AFFIX = re.compile(r"^(score|rating|judge)[_: -]+|[_: -]+(score|rating|judge)$", re.IGNORECASE)
# Numbers that are no scores.
_NO_SCORE = re.compile(
    r".*\b(id|index|idx|seed|length|len|tokens?|count|n|step|epoch|layer|temperature|"
    r"coherence|confidence)$"
)
# Ranges by which judges score, the narrowest first.
_SCALES = ((0.0, 1.0), (1.0, 5.0), (1.0, 7.0), (0.0, 10.0), (0.0, 100.0), (-1.0, 1.0))


def guess_mapping(files: Files) -> StudyMapping:
    """What the columns of tables probably are; what cannot be guessed is left out.

    Args:
        files: path -> parsed file; those that hold no records are not looked at.
    """
    prompts: list[MappedTable] = []
    responses: list[MappedTable] = []
    numbers: list[float] = []
    for file in files.values():
        if not file.rows:
            continue
        columns = _columns(file)
        poled = _prompts(file, columns)
        if poled is not None:
            prompts.append(poled)
            continue
        found = _responses(file, columns)
        if found is not None:
            responses.append(found[0])
            numbers += found[1]
    traits = _constant_traits(prompts)
    responses = [_with_trait(table, traits) for table in responses]
    if not prompts:
        left = [f for f in files.values() if f.rows and f.path not in {r.file for r in responses}]
        prompts = [_unknown(file) for file in left[:1]] or [MappedTable("", {})]
    return StudyMapping(tuple(prompts), tuple(responses), scale_of(numbers))


def unused_columns(files: Files, mapping: StudyMapping) -> dict[str, tuple[str, ...]]:
    """File -> its columns that a mapping makes nothing of; files without such are left out.

    Args:
        files: path -> parsed file.
        mapping: of their columns.
    """
    used: dict[str, set[str]] = {}
    for table in (*mapping.prompts, *mapping.responses):
        used.setdefault(table.file, set()).update(_taken(table.fields), table.scores.values())
    left = {
        path: tuple(column for column in file.columns if column not in used.get(path, ()))
        for path, file in files.items()
    }
    return {path: columns for path, columns in left.items() if columns}


def scale_of(numbers: Sequence[float]) -> tuple[float, float]:
    """The narrowest usual scale that holds all scores; their own range where none does.

    Args:
        numbers: scores; without any, the scale of a study that does not say it.
    """
    if not numbers:
        return SCALE
    low, high = min(numbers), max(numbers)
    whole = all(number.is_integer() for number in numbers)
    for lowest, highest in _SCALES:
        if lowest <= low and high <= highest and (whole or lowest != 1.0):
            return (lowest, highest)
    return (math.floor(low), math.ceil(high)) if low < high else (low, low + 1)


def _columns(file: Parsed) -> dict[str, list[object]]:
    """Column -> its values that are not empty."""
    found: dict[str, list[object]] = {}
    for row in file.rows:
        for column, value in row.values.items():
            values = found.setdefault(column, [])
            if value is not None and value != "":
                values.append(value)
    return {column: values for column, values in found.items() if values}


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_")


def _named(field: str, columns: Mapping[str, object], taken: set[str]) -> str | None:
    """The column that is called as a field is, the likeliest name first."""
    by_name = {_plain(column): column for column in reversed(list(columns))}
    names = (by_name.get(name) for name in _NAMES[field])
    return next((column for column in names if column is not None and column not in taken), None)


def _prompts(file: Parsed, columns: Mapping[str, list[object]]) -> MappedTable | None:
    """The mapping of a table that holds prompts of two poles; None where it does not."""
    by_name = {_plain(column): column for column in reversed(list(columns))}
    fields: dict[str, Column | Constant] = {}
    for high, low in PAIRS:
        if high in by_name and low in by_name:
            fields = {"high": Column(by_name[high]), "low": Column(by_name[low])}
            break
    else:
        pole = _pole(columns)
        if pole is None:
            return None
        fields["pole"] = pole
        text = _text(columns, {pole.name})
        if text is not None:
            fields["text"] = Column(text)
    optional = ("prompt_set", "messages", "question", "system")
    fields |= _others(columns, fields, optional if "high" in fields else ("pair", *optional))
    fields["trait"] = _trait(file, columns, fields)
    return MappedTable(file.path, fields)


def _pole(columns: Mapping[str, list[object]]) -> Column | None:
    for name in _NAMES["pole"]:
        for column, values in columns.items():
            # As the table writes them, by how they are compared.
            seen = {as_compared(value): str(value).strip() for value in values}
            if _plain(column) != name or len(seen) > len(_POLES):
                continue
            for high, low in _POLES:
                if high in seen and low in seen:
                    skip = tuple(said for key, said in seen.items() if key not in (high, low))
                    return Column(column, {"high": seen[high], "low": seen[low]}, skip)
    return None


def _responses(
    file: Parsed, columns: Mapping[str, list[object]]
) -> tuple[MappedTable, list[float]] | None:
    """The mapping of a table that holds scored texts, and its scores; None where it does not."""
    fields: dict[str, Column | Constant] = {}
    text = _text(columns, set())
    if text is not None:
        fields["text"] = Column(text)
    optional = ("scenario", "responder", "group", "messages", "question", "system")
    fields |= _others(columns, fields, optional)
    turn = _named("turn", columns, _taken(fields))
    if turn is not None:
        fields["turn"] = _turn(turn, columns[turn])
    scored = {
        column: numbers
        for column, values in columns.items()
        if column not in _taken(fields) and (numbers := _numbers(column, values))
    }
    every = [number for numbers in scored.values() for number in numbers]
    if not scored or text is None:
        return None
    only = _named("score", scored, set())
    if only is not None:
        fields["score"] = Column(only)
        trait = _named("trait", columns, _taken(fields))
        if trait is not None:
            fields["trait"] = Column(trait)
        return MappedTable(file.path, fields), list(scored[only])
    scores = {_AFFIX.sub("", column.strip()): column for column in scored}
    return MappedTable(file.path, fields, scores), every


def _turn(column: str, values: Sequence[object]) -> Column:
    """A column of turns; two values that name no turns are t1 and tN, in their order."""
    seen = {as_compared(value): str(value).strip() for value in values}
    if len(seen) != _FEW_TURNS or name_turns(values):
        return Column(column)
    first, last = (seen[key] for key in sorted(seen))
    return Column(column, {"t1": first, "tN": last})


def _text(columns: Mapping[str, list[object]], taken: set[str]) -> str | None:
    """The column of texts: by its name, else the one with the longest texts."""
    texts = {
        column: values
        for column, values in columns.items()
        if column not in taken and all(isinstance(value, str) for value in values)
    }
    named = _named("text", texts, taken)
    if named is not None or not texts:
        return named
    return max(texts, key=lambda column: sum(len(str(v)) for v in texts[column]))


def _others(
    columns: Mapping[str, list[object]],
    fields: Mapping[str, Column | Constant],
    optional: Sequence[str],
) -> dict[str, Column | Constant]:
    """Further fields, by the names of columns."""
    found: dict[str, Column | Constant] = {}
    for name in optional:
        column = _named(name, columns, _taken({**fields, **found}))
        if column is None or (name in ("question", "system") and "messages" in found):
            continue
        if name in ("scenario", "group", "responder", "pair", "prompt_set") and any(
            not isinstance(v, str | int) or name_problem(name, str(v).strip()) is not None
            for v in columns[column]
        ):
            continue
        found[name] = Column(column)
    return found


def _taken(fields: Mapping[str, Column | Constant]) -> set[str]:
    return {where.name for where in fields.values() if isinstance(where, Column)}


def _trait(
    file: Parsed,
    columns: Mapping[str, list[object]],
    fields: Mapping[str, Column | Constant],
) -> Column | Constant:
    column = _named("trait", columns, _taken(fields))
    return Constant(_trait_of_file(file.path)) if column is None else Column(column)


def _trait_of_file(path: str) -> str:
    """The name of a file, as a trait may be called."""
    return re.sub(r"[<>\"%`\\/\s]+", "_", PurePosixPath(path).stem).strip("._") or "trait"


def _constant_traits(prompts: Sequence[MappedTable]) -> set[str]:
    found = (table.fields.get("trait") for table in prompts)
    return {where.value for where in found if isinstance(where, Constant)}


def _with_trait(table: MappedTable, traits: set[str]) -> MappedTable:
    """A table of one column of scores, of the only trait that the prompts have."""
    if "score" not in table.fields or "trait" in table.fields:
        return table
    name = next(iter(traits)) if len(traits) == 1 else _trait_of_file(table.file)
    return MappedTable(table.file, {**table.fields, "trait": Constant(name)})


def _unknown(file: Parsed) -> MappedTable:
    """A table of which nothing says that it holds prompts."""
    columns = _columns(file)
    text = _text(columns, set())
    fields = {} if text is None else {"text": Column(text)}
    return MappedTable(file.path, {**fields, "trait": _trait(file, columns, fields)})


def _numbers(column: str, values: Sequence[object]) -> list[float] | None:
    """The scores in a column; None where it holds something else."""
    if _NO_SCORE.fullmatch(column.strip().lower().replace("_", " ")):
        return None
    found = [read_number(value) for value in values if not is_missing(value)]
    numbers = [number for number in found if number is not None]
    return numbers if found and len(numbers) == len(found) else None


def values_of(rows: Sequence[Record], column: str, most: int) -> list[str]:
    """The values of a column as text, in the order they are met; none where there are too many.

    Args:
        rows: of a table.
        column: one of its columns.
        most: how many values are too many less one.
    """
    found: dict[str, None] = {}
    for row in rows:
        value = row.values.get(column)
        if value is not None and value != "":
            found.setdefault(str(value).strip())
            if len(found) > most:
                return []
    return list(found)

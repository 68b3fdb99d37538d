"""A form that says what the columns of tables hold, filled in by a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from backend.studies.mapping.form import CODED, Column, Constant, MappedTable, StudyMapping
from backend.studies.mapping.guess import values_of
from backend.studies.parsed_files import Files, Parsed
from backend.turns import name_turns

# Values of a column that can be chosen; one with more is no pole or turn.
_MOST_VALUES = 50
_ONE_COLUMN, _TWO_COLUMNS = "one", "two"
_WIDE, _LONG = "wide", "long"
_NONE = "none"
# Label of each optional field.
_OPTIONAL = {
    "prompt_set": "Prompt set",
    "pair": "Pair",
    "scenario": "Scenario",
    "responder": "Responder",
    "group": "Group",
    "messages": "Chat before it",
    "question": "User's message",
    "system": "System message",
}
_HELP = {
    "pair": "What a high and a low prompt have in common, such as their question.",
    "scenario": "What t1 and tN of one conversation share. Turns need it; without turns, "
    "every row is one if it is left out.",
    "responder": "The model or person who wrote it.",
    "group": "What makes responses dependent, such as the question that several sample.",
    "messages": "A list of role and content, or the same as JSON text.",
}


@dataclass(frozen=True)
class _Fields:
    """The fields of one table.

    Attributes:
        key: begins the keys of its widgets.
        file: the table.
        guess: where a field's values probably are.
        scores: trait -> its column of scores, by the guess.
    """

    key: str
    file: Parsed
    guess: Mapping[str, Column | Constant]
    scores: Mapping[str, str]

    def column(self, field: str) -> str | None:
        """The column that a field probably is."""
        where = self.guess.get(field)
        return where.name if isinstance(where, Column) else None


def column_form(tables: Files, guess: StudyMapping, key: str) -> StudyMapping:
    """Select boxes for the tables of prompts and responses and for their columns.

    Args:
        tables: path -> parsed file.
        guess: what they probably hold; of several tables of prompts or responses the first counts.
        key: of the upload, so that another one begins with its own guess.

    Returns:
        What they say, which may lack something: a check tells.
    """
    readable = [path for path, file in tables.items() if file.rows]
    poled, scored = guess.prompts[0], next(iter(guess.responses), MappedTable("", {}))
    path = _select("Table of prompts", readable, poled.file, f"{key} prompts")
    prompts = _prompts(_of(tables, path, poled, f"{key} p {path}"))
    answers = _select(
        "Table of responses",
        [_NONE, *readable],
        scored.file or _NONE,
        f"{key} responses",
        {_NONE: "none: prompts only, without r"},
    )
    if answers == _NONE:
        return StudyMapping((prompts,))
    fields = _of(tables, answers, scored, f"{key} r {answers}")
    responses = _responses(fields, _traits(prompts, tables[path]))
    left, right = st.columns(2)
    low = left.number_input("Lowest possible score", value=guess.scale[0], key=f"{key} low")
    high = right.number_input("Highest possible score", value=guess.scale[1], key=f"{key} high")
    return StudyMapping((prompts,), (responses,), (low, high))


def _of(tables: Files, path: str, guess: MappedTable, key: str) -> _Fields:
    """A table's fields; the guess holds for the table it was made of."""
    same = path == guess.file
    return _Fields(key, tables[path], guess.fields if same else {}, guess.scores if same else {})


def _prompts(fields: _Fields) -> MappedTable:
    how = st.segmented_control(
        "How the poles are written",
        [_ONE_COLUMN, _TWO_COLUMNS],
        default=_TWO_COLUMNS if "high" in fields.guess else _ONE_COLUMN,
        format_func={
            _ONE_COLUMN: "A column says the pole of each text",
            _TWO_COLUMNS: "Each row has a high and a low text",
        }.__getitem__,
        key=f"{fields.key} how",
        required=True,
    )
    found: dict[str, Column | Constant] = {}
    columns = st.columns(4)
    if how == _TWO_COLUMNS:
        for place, pole in zip(columns, ("high", "low"), strict=False):
            with place:
                found |= _pick(fields, pole, f"Text of the {pole} pole")
        optional = ["prompt_set"]
    else:
        with columns[0]:
            found |= _pick(fields, "text", "Text of the prompt")
        with columns[1]:
            found |= _pick(fields, "pole", "Pole")
        where = found.get("pole")
        if isinstance(where, Column):
            found["pole"] = _coded(fields, "pole", where.name, columns[2:])
        optional = ["pair", "prompt_set"]
    return MappedTable(fields.file.path, {**found, **_trait(fields), **_more(fields, optional)})


def _responses(fields: _Fields, traits: Sequence[str]) -> MappedTable:
    found: dict[str, Column | Constant] = {}
    left, right = st.columns(2)
    with left:
        found |= _pick(fields, "text", "Text of the response")
    with right:
        how = st.segmented_control(
            "How the scores are written",
            [_WIDE, _LONG],
            default=_LONG if "score" in fields.guess else _WIDE,
            format_func={_WIDE: "A column for each trait", _LONG: "One score a row"}.__getitem__,
            key=f"{fields.key} how",
            required=True,
        )
    scores: dict[str, str] = {}
    if how == _WIDE:
        places = st.columns(4)
        for number, trait in enumerate(traits):
            with places[number % len(places)]:
                column = _select(
                    f"Scores of {trait}",
                    [_NONE, *fields.file.columns],
                    fields.scores.get(trait) or _only(fields.scores, traits) or _NONE,
                    f"{fields.key} score {trait}",
                    {_NONE: "not scored"},
                )
            if column != _NONE:
                scores[trait] = column
    else:
        with st.columns(4)[0]:
            found |= _pick(fields, "score", "Score")
        found |= _trait(fields, traits)
    places = st.columns(4)
    with places[0]:
        found |= _pick(fields, "turn", "Turn", none="no turns")
    turn = found.get("turn")
    if isinstance(turn, Column):
        found["turn"] = _coded(fields, "turn", turn.name, places[1:3])
    found |= _more(fields, ["scenario", "responder", "group"])
    return MappedTable(fields.file.path, found, scores)


def _only(scores: Mapping[str, str], traits: Sequence[str]) -> str | None:
    """The only column of scores, where there is one trait."""
    return next(iter(scores.values())) if len(scores) == len(traits) == 1 else None


def _pick(
    fields: _Fields, field: str, label: str, none: str | None = None
) -> dict[str, Column | Constant]:
    """The column of a field, as a mapping holds it; empty where none is chosen."""
    chosen = _select(
        label,
        [_NONE, *fields.file.columns],
        fields.column(field) or _NONE,
        f"{fields.key} {field}",
        {_NONE: none or "choose a column"},
        _HELP.get(field),
    )
    return {} if chosen == _NONE else {field: Column(chosen)}


def _coded(
    fields: _Fields,
    field: str,
    column: str,
    places: Sequence[st.delta_generator.DeltaGenerator],
) -> Column:
    """A column with how it writes a field's two values; rows of others are left out."""
    ours = CODED[field]
    values = values_of(fields.file.rows, column, _MOST_VALUES)
    if set(ours) == set(values) or len(values) < len(ours):
        return Column(column)
    if field == "turn" and name_turns(values):
        return Column(column)
    guess = fields.guess.get(field)
    known = guess.values if isinstance(guess, Column) and guess.name == column else {}
    said = {}
    for number, (place, one) in enumerate(zip(places, ours, strict=True)):
        with place:
            start = known.get(one, values[number])
            said[one] = _select(f"{one} is written", values, start, f"{fields.key} {column} {one}")
    others = tuple(value for value in values if value not in said.values())
    if others:
        st.caption(f"Rows whose {column} is {', '.join(others)} are left out.")
    return Column(column, said, others)


def _trait(fields: _Fields, traits: Sequence[str] = ()) -> dict[str, Column | Constant]:
    """A column of traits, or one trait for the whole table."""
    left, right = st.columns(2)
    with left:
        column = _select(
            "Trait",
            [_NONE, *fields.file.columns],
            fields.column("trait") or _NONE,
            f"{fields.key} trait",
            {_NONE: "one trait for the whole table"},
        )
    if column != _NONE:
        return {"trait": Column(column)}
    guess = fields.guess.get("trait")
    start = guess.value if isinstance(guess, Constant) else next(iter(traits), "")
    name = right.text_input("Name of the trait", start, key=f"{fields.key} trait name").strip()
    return {"trait": Constant(name)} if name else {}


def _more(fields: _Fields, optional: Sequence[str]) -> dict[str, Column | Constant]:
    """Fields that may be left out."""
    found: dict[str, Column | Constant] = {}
    places = st.columns(3)
    for number, field in enumerate([*optional, "messages", "question", "system"]):
        with places[number % len(places)]:
            found |= _pick(fields, field, _OPTIONAL[field], none="none")
    if "messages" in found:
        found = {k: v for k, v in found.items() if k not in ("question", "system")}
    return found


def _traits(prompts: MappedTable, file: Parsed) -> list[str]:
    """The traits that the prompts have."""
    where = prompts.fields.get("trait")
    if isinstance(where, Column):
        return values_of(file.rows, where.name, _MOST_VALUES)
    return [] if where is None else [where.value]


def _select(
    label: str,
    options: Sequence[str],
    start: str,
    key: str,
    names: Mapping[str, str] | None = None,
    help: str | None = None,
) -> str:
    """A select box that begins with an option; what is not among the names is said as it is."""
    return st.selectbox(
        label,
        options,
        index=options.index(start) if start in options else 0,
        format_func=lambda option: (names or {}).get(option, option),
        key=f"map {key}",
        help=help,
    )

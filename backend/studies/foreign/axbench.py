"""The tables of AxBench: texts that hold a concept and texts that do not (Wu et al.,
arXiv 2501.17148)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backend.studies.faults import FaultList
from backend.studies.foreign.form import (
    ForeignFormat,
    UnderstoodStudy,
    listed,
    note_skipped,
    understood_as,
    usable,
    without_repeated_texts,
)
from backend.studies.parsed_files import Files
from backend.studies.prompts import PromptPlace
from backend.studies.rows import Record
from backend.types import Message, Pole, Prompt, Response

TITLE = "AxBench"
_COLUMNS = {"input", "output", "output_concept", "concept_genre", "category", "concept_id"}
# Negative texts that all concepts of a genre share.
_SHARED = "-1"
_POSITIVE, _NEGATIVE = "positive", "negative"
_CATEGORIES = (_POSITIVE, _NEGATIVE, "hard negative")
# What begins the name of a table by which detection is judged.
_EVALUATION = "latent_eval"
_LONGEST = 80
_MARKS = re.compile(r'[<>"%`\\/\s]+')


def read(files: Files, faults: FaultList) -> UnderstoodStudy | None:
    """A study of the concepts in some tables: each is a trait.

    Poles are the texts of train_data: those that hold the concept against the shared ones of the
    same genre, as the tool trains. Responses are those of latent_eval_data, scored 1 where the text
    was written with the concept and 0 where it was not.

    Args:
        files: path -> parsed file.
        faults: told what was left out.
    """
    tables = {
        path: file.rows
        for path, file in files.items()
        if file.rows and file.rows[0].values.keys() >= _COLUMNS
    }
    if not tables:
        return None
    rows = [(path, row) for path, own in tables.items() for row in own if _readable(row)]
    for path, own in tables.items():
        unread = [row.line for row in own if not _readable(row)]
        why = "hold no input and output, or are no answers to an instruction"
        note_skipped(path, unread, len(own), why, faults)
    training = [(path, row) for path, row in rows if _EVALUATION not in path]
    names = _names(row for _, row in training)
    placed = without_repeated_texts(_prompts(training, names), faults)
    responses = [
        _response(row, number, names)
        for number, (path, row) in enumerate(rows, start=1)
        if _EVALUATION in path and _id(row) in names
    ]
    traits = [name for name, _ in names.values()]
    understood_as(
        TITLE,
        f"{len(placed)} prompts of {len(names)} concepts ({listed(traits)}), and "
        f"{len(responses)} responses: 1 where a text was written with the concept, 0 where not",
        faults,
    )
    return UnderstoodStudy(
        "Texts of AxBench, written with and without a concept by a language model; no judge scored "
        "them.",
        placed,
        responses,
        score_range=(0.0, 1.0),
        traits=dict(names.values()),
        files=frozenset(tables),
    )


def _id(row: Record) -> str:
    value = row.values["concept_id"]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _readable(row: Record) -> bool:
    return (
        usable(row.values.get("input")) is not None
        and usable(row.values.get("output")) is not None
        and row.values.get("category") in _CATEGORIES
        and row.values.get("dataset_category", "instruction") == "instruction"
    )


def _names(rows: Iterable[Record]) -> dict[str, tuple[str, str]]:
    """Number of a concept -> its trait's name and the concept, of those with positive texts."""
    found: dict[str, tuple[str, str]] = {}
    for row in rows:
        if row.values["category"] == _POSITIVE and _id(row) not in found:
            concept = str(row.values["output_concept"]).strip()
            plain = _MARKS.sub(" ", concept)[:_LONGEST].strip(" .")
            found[_id(row)] = (f"{_id(row)} {plain}".strip(), concept)
    return found


def _prompts(
    rows: Iterable[tuple[str, Record]], names: Mapping[str, tuple[str, str]]
) -> Iterable[tuple[Prompt, PromptPlace]]:
    """Every concept's own texts, and for its low pole those that its genre shares."""
    listed_rows = list(rows)
    genres = {
        _id(row): row.values["concept_genre"]
        for _, row in listed_rows
        if row.values["category"] == _POSITIVE
    }
    for number, (trait, _) in names.items():
        for path, row in listed_rows:
            shared = _id(row) == _SHARED and row.values["concept_genre"] == genres[number]
            if _id(row) == number or shared:
                pole: Pole = "high" if row.values["category"] == _POSITIVE else "low"
                yield (
                    Prompt(trait, pole, row.values["output"], messages=_chat(row)),
                    PromptPlace(path, row.line),
                )


def _chat(row: Record) -> tuple[Message, ...]:
    return (Message("user", row.values["input"]),)


def _response(row: Record, number: int, names: Mapping[str, tuple[str, str]]) -> Response:
    trait = names[_id(row)][0]
    return Response(
        scenario=f"text {number}",
        text=row.values["output"],
        messages=_chat(row),
        scores={trait: float(row.values["category"] == _POSITIVE)},
    )


FORMAT = ForeignFormat(TITLE, read)

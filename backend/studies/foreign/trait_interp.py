"""The traits of trait-interp: a folder for each, with scenarios that draw the trait out and others
that do not, and the answers that a model gave."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import PurePosixPath

from backend.studies.faults import FaultList
from backend.studies.foreign.form import (
    ForeignFormat,
    UnderstoodStudy,
    listed,
    note_skipped,
    stem,
    understood_as,
    usable,
    without_repeated_texts,
)
from backend.studies.parsed_files import Files, Parsed
from backend.studies.prompts import PromptPlace
from backend.studies.rows import Record
from backend.types import Message, Pole, Prompt

TITLE = "trait-interp"
# Files of scenarios, and of answers to them, by the pole that they show.
_SCENARIOS: dict[str, Pole] = {"positive": "high", "negative": "low"}
_ANSWERS: dict[str, Pole] = {"pos": "high", "neg": "low"}
_ANSWER_KEYS = {"prompt", "response"}
# The folder of answers inside that of their trait.
_RESPONSES = "responses"
# What stands before category and trait in the path of answers.
_EXTRACTION = "extraction"
_DEFINITION = "definition"
_METADATA = "metadata.json"
# Other separators, such as U+2028, may stand inside a scenario.
_LINE_END = re.compile(r"\r\n|\n|\r")
# Category and trait, and the variant of the model.
_Folder = tuple[tuple[str, ...], str]


def read(files: Files, faults: FaultList) -> UnderstoodStudy | None:
    """A study of the traits in some folders, without responses, as none is scored.

    Answers (pos.json and neg.json) are prompts, in the chat of their scenario where metadata.json
    beside them says that a chat template was used; else scenario and answer are one plain text.
    Where there are none, the scenarios themselves (positive and negative, .txt or .jsonl) are.

    Args:
        files: path -> parsed file.
        faults: told what was left out.
    """
    scenarios = _by_folder(files, _SCENARIOS)
    answers = {
        folder: sides
        for folder, sides in _by_folder(files, _ANSWERS).items()
        if all(f.rows and f.rows[0].values.keys() >= _ANSWER_KEYS for f in sides.values())
    }
    if not scenarios and not answers:
        return None
    names = _names({folder[0] for folder in (*scenarios, *answers)})
    answered = {trait for trait, _ in answers}
    asked = {folder: sides for folder, sides in scenarios.items() if folder[0] not in answered}
    found: list[tuple[Prompt, PromptPlace]] = []
    for (trait, variant), sides in (asked | answers).items():
        for pole, file in sides.items():
            chat = (trait, variant) in answers and _has_template(files, file.path)
            rows = _records(file)
            placed = [
                (_prompt(names[trait], pole, variant, row, chat), PromptPlace(file.path, row.line))
                for row in rows
            ]
            blank = [place.line for prompt, place in placed if prompt is None]
            note_skipped(file.path, blank, len(rows), "hold no text", faults)
            found += [(prompt, place) for prompt, place in placed if prompt is not None]
    found = without_repeated_texts(found, faults)
    traits = {prompt.trait for prompt, _ in found}
    alone = sorted(traits - answers.keys())
    said = (
        f"{len(found)} prompts of {len(traits)} traits ({listed(sorted(traits))}), without scores"
    )
    if alone:
        said += (
            f". Of {listed(alone)} there are scenarios only: pool the last token, from which the "
            "model answers"
        )
    understood_as(TITLE, said, faults)
    return UnderstoodStudy(
        "Scenarios of trait-interp, and a model's answers to them where there are any.",
        found,
        traits=_definitions(files, names),
        files=frozenset(
            file.path for sides in (asked | answers).values() for file in sides.values()
        ),
    )


def _by_folder(files: Files, sides: Mapping[str, Pole]) -> dict[_Folder, dict[Pole, Parsed]]:
    """Trait and variant -> pole -> file, where both poles are."""
    found: dict[_Folder, dict[Pole, Parsed]] = {}
    for path, file in files.items():
        pole = sides.get(stem(path))
        if pole is not None and (file.rows or isinstance(file.value, str)):
            found.setdefault(_folder(path), {})[pole] = file
    return {folder: poles for folder, poles in found.items() if len(poles) == len(sides)}


def _folder(path: str) -> _Folder:
    """Category and trait of a file, and the variant of the model that answered; empty for none.

    Answers lie in extraction/CATEGORY/TRAIT/VARIANT/responses, scenarios in CATEGORY/TRAIT.
    """
    parts = [part for part in PurePosixPath(path).parts[:-1] if part != _RESPONSES]
    if _EXTRACTION in parts:
        below = parts[parts.index(_EXTRACTION) + 1 :]
        if len(below) >= 2:
            return tuple(below[:2]), "-".join(below[2:])
    return tuple(parts[-2:]) or ("trait",), ""


def _names(traits: Set[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Category and trait -> the trait's name, with its category where two traits share it."""
    counts = Counter(trait[-1] for trait in traits)
    return {trait: trait[-1] if counts[trait[-1]] == 1 else "_".join(trait) for trait in traits}


def _records(file: Parsed) -> list[Record]:
    """Scenarios or answers of a file; of a text file, each line is one."""
    if not isinstance(file.value, str):
        return list(file.rows)
    lines = enumerate(_LINE_END.split(file.value), start=1)
    return [Record(number, {"prompt": line.strip()}) for number, line in lines if line.strip()]


def _prompt(trait: str, pole: Pole, variant: str, row: Record, chat: bool) -> Prompt | None:
    asked, said = usable(row.values.get("prompt")), usable(row.values.get("response"))
    if asked is None or ("response" in row.values and said is None):
        return None
    made = Prompt(trait, pole, asked, prompt_set=variant or "default")
    if said is None:
        return made
    if not chat:
        return replace(made, text=f"{asked}{said}")
    system = usable(row.values.get("system_prompt"))
    before = () if system is None else (Message("system", system),)
    return replace(made, text=said, messages=(*before, Message("user", asked)))


def _has_template(files: Files, path: str) -> bool:
    beside = files.get(str(PurePosixPath(path).with_name(_METADATA)))
    value = None if beside is None else beside.value
    return isinstance(value, dict) and value.get("chat_template") is True


def _definitions(files: Files, names: Mapping[tuple[str, ...], str]) -> dict[str, str]:
    """What the traits are, by the files beside their scenarios."""
    return {
        names[folder[0]]: file.value.strip()
        for path, file in files.items()
        if stem(path) == _DEFINITION
        and isinstance(file.value, str)
        and (folder := _folder(path))[0] in names
    }


FORMAT = ForeignFormat(TITLE, read)

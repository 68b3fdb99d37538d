"""The files of persona_vectors: trait descriptions (JSON) and judged answers (CSV).

Poles are answers to the same question under opposite system messages, kept where the judge agrees;
answers without such a message are responses (Chen et al., arXiv 2507.21509).
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.studies.faults import ALL_FILES, FaultList, near_name, shown
from backend.studies.foreign.form import (
    ForeignFormat,
    UnderstoodStudy,
    listed,
    note_skipped,
    stem,
    understood_as,
    usable,
    without_repeats,
)
from backend.studies.parsed_files import Files
from backend.studies.pole_thresholds import PoleThreshold, PoleThresholds
from backend.studies.prompts import LEAST_PER_POLE, PromptPlace
from backend.studies.rows import Record
from backend.studies.scores import read_scores
from backend.types import Message, Pole, Prompt, Response

TITLE = "persona_vectors"
SCORES = (0.0, 100.0)
COHERENCE = "coherence"
_COLUMNS = ("question", "prompt", "answer", "question_id")
# Number of the question, pole and number of the instruction: evil_3_pos_1.
_EXTRACTED = re.compile(
    r"(?P<trait>.+)_(?P<question>[0-9]+)_(?P<pole>pos|neg)_(?P<instruction>[0-9]+)"
)
_POLES: dict[str, Pole] = {"pos": "high", "neg": "low"}
# Number of the question: evil_3.
_EVALUATED = re.compile(r".+_[0-9]+")
# What stands before an instruction in the system message.
_PERSONA = re.compile(r"You are an? [^.\n]{1,80} assistant\. $")


@dataclass(frozen=True)
class _PoleAnswer:
    """An answer of a pole. Attributes: row, its system message, and its scores."""

    path: str
    row: Record
    system: str
    trait: float | None
    coherence: float | None


# Trait, question, instruction and sample -> the answer of each side.
_Answers = dict[tuple[str, str, str, int], dict[str, _PoleAnswer]]


def read(files: Files, faults: FaultList) -> UnderstoodStudy | None:
    """A study of the answers in some files, chosen as persona_vectors does.

    Args:
        files: path -> parsed file.
        faults: told what was left out, and which description is missing.
    """
    return read_chosen(files, faults, PoleThresholds())


def read_chosen(files: Files, faults: FaultList, chosen: PoleThresholds) -> UnderstoodStudy | None:
    """A study of the answers in some files, with a prompt set for each threshold.

    Args:
        files: path -> parsed file.
        faults: told what was left out, and which description is missing.
        chosen: by which scores answers become prompts.
    """
    # Versions of a description for extraction and for evaluation differ in their questions alone.
    described = {
        stem(path): instructions
        for path, file in files.items()
        if (instructions := _instructions(file.value)) is not None
    }
    tables = {
        path: file.rows
        for path, file in files.items()
        if not path.endswith(".json") and file.rows and {*_COLUMNS} <= file.rows[0].values.keys()
    }
    if not tables:
        for trait in described:
            faults.add(
                f"{trait}.json",
                None,
                "It describes a trait of persona_vectors, and no answers are there.",
                f"Add {trait}_pos_instruct.csv and {trait}_neg_instruct.csv, which its "
                "eval_persona writes.",
            )
        return None
    before = faults.count
    answers: _Answers = {}
    responses: list[tuple[str, Record, Response]] = []
    numbered = {path: _numbered(path, rows, faults) for path, rows in tables.items()}
    for path, own in numbered.items():
        _add_answers(path, own, described, answers, faults)
    judged = sorted({trait for trait, *_ in answers})
    for path, own in numbered.items():
        asked = [one for one in own if _EXTRACTED.fullmatch(one[1]) is None]
        responses += [
            (path, row, _response(path, row, name, number, judged, faults))
            for row, name, number in _without_repeated_rows(path, asked, len(tables[path]), faults)
        ]
    if faults.count > before:
        # Pairs would be left out for scores that are to be corrected, which says nothing more.
        return UnderstoodStudy(TITLE, (), files=frozenset(tables))
    kept = [pair for one in chosen.each for pair in _kept(answers, one, chosen.several, faults)]
    placed = without_repeats(kept, faults)
    if answers and not kept:
        faults.add(
            ALL_FILES,
            None,
            f"None of {len(answers)} pairs of answers is kept. A pair needs: {_said(chosen)}.",
            "Choose other thresholds of scores, or see whether the answers are judged.",
        )
        return None
    if not answers:
        faults.add(
            ALL_FILES,
            None,
            f"No answer was given under an instruction (question_id as evil_3_pos_1) in "
            f"{listed(tables)}, so there are no prompts.",
            "Add the answers of both sides, such as evil_pos_instruct.csv and "
            "evil_neg_instruct.csv, which its eval_persona writes.",
        )
        return None
    poled = {prompt.trait for prompt, _ in placed}
    scored = _with_scores(responses, poled, tables, faults) if placed else []
    understood_as(
        TITLE,
        f"{len(placed) // 2} pairs of answers of {len(poled)} traits ({listed(sorted(poled))}), "
        f"and {len(scored)} responses with scores from 0 to 100",
        faults,
    )
    return UnderstoodStudy(
        "Answers of a model, scored by the judge of persona_vectors. Prompts are the pairs of "
        f"answers with {_said(chosen)}.",
        placed,
        scored,
        score_range=SCORES,
        files=frozenset(tables),
    )


def _without_repeated_rows(
    path: str, asked: Sequence[tuple[Record, str, int]], of: int, faults: FaultList
) -> list[tuple[Record, str, int]]:
    """Rows of responses without those that say in every column what one before says.

    Two samples may be one text, but not with one judge's scores to the last digit: such a row was
    written twice, and would count as an observation of its own.
    """
    first: dict[tuple[tuple[str, str], ...], tuple[Record, str, int]] = {}
    repeated = []
    odd = []
    for row, name, number in asked:
        key = tuple(sorted((column, repr(value)) for column, value in row.values.items()))
        if key in first:
            repeated.append(row.line)
            continue
        first[key] = (row, name, number)
        if _EVALUATED.fullmatch(name) is None:
            odd.append((row.line, name))
    note_skipped(path, repeated, of, "repeat another record in every column", faults)
    for line, name in odd:
        faults.note(
            path,
            line,
            "question_id is {}, neither as evil_3 nor as evil_3_pos_1: its answers are taken as a "
            "question of their own, an independent group.",
            "Correct it if it is meant for another question.",
            shown(name),
        )
    return list(first.values())


def _with_scores(
    responses: Sequence[tuple[str, Record, Response]],
    poled: set[str],
    tables: Mapping[str, Sequence[Record]],
    faults: FaultList,
) -> list[Response]:
    """The responses with a score of a trait that has prompts; the others are noted by line."""
    found = []
    counts = Counter(path for path, _, _ in responses)
    left_out: dict[str, list[int]] = {}
    for path, row, response in responses:
        scored = _scored_on(response, poled)
        if scored.scores:
            found.append(scored)
        else:
            left_out.setdefault(path, []).append(row.line)
    for path, lines in left_out.items():
        why = "are responses without a score of a trait that has prompts"
        note_skipped(path, lines, counts[path], why, faults)
        columns = _scored({path: tables[path]})
        if poled.isdisjoint(columns):
            near = [near_name(trait, columns) for trait in sorted(poled)]
            meant = listed(name for name in near if name is not None)
            faults.note(
                path,
                None,
                f"No column is named as a trait that has prompts ({listed(sorted(poled))}).",
                f"Rename {meant or 'its column of scores'} to the trait, if it holds its scores.",
            )
    return found


def _numbered(
    path: str, rows: Sequence[Record], faults: FaultList
) -> list[tuple[Record, str, int]]:
    """Rows that hold an answer, each with its question's id and its number among that id's rows."""
    counts: Counter[str] = Counter()
    found = []
    unread = []
    for row in rows:
        name = str(row.values["question_id"])
        counts[name] += 1
        if usable(row.values["answer"]) is None or usable(row.values["question"]) is None:
            unread.append(row.line)
        else:
            found.append((row, name, counts[name]))
    note_skipped(path, unread, len(rows), "hold no answer", faults)
    return found


def _add_answers(
    path: str,
    numbered: Sequence[tuple[Record, str, int]],
    described: Mapping[str, Sequence[Mapping[str, str]]],
    answers: _Answers,
    faults: FaultList,
) -> None:
    """Add a file's answers under an instruction to those of the other files."""
    for row, name, number in numbered:
        found = _EXTRACTED.fullmatch(name)
        system = None if found is None else _system(path, row, found, described, faults)
        if found is None or system is None:
            continue
        key = (found["trait"], found["question"], found["instruction"], number)
        scores = _scores(path, row, (found["trait"], COHERENCE), faults)
        answers.setdefault(key, {})[found["pole"]] = _PoleAnswer(
            path,
            row,
            system,
            scores.get(found["trait"]),
            scores.get(COHERENCE),
        )


def _instructions(value: object) -> list[dict[str, str]] | None:
    """The instructions of a trait's description; None if it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("instruction"), list):
        return None
    found = value["instruction"]
    good = all(
        isinstance(one, dict)
        and isinstance(one.get("pos"), str)
        and isinstance(one.get("neg"), str)
        for one in found
    )
    return found if good and "questions" in value else None


def _scored(tables: Mapping[str, Sequence[Record]]) -> tuple[str, ...]:
    """Columns of scores: those that are of nothing else."""
    columns = {column for rows in tables.values() for column in rows[0].values}
    return tuple(sorted(columns - {*_COLUMNS, COHERENCE}))


def _scores(path: str, row: Record, columns: Sequence[str], faults: FaultList) -> dict[str, float]:
    """The row's scores in some columns, without those that the judge has refused."""
    raw = {column: row.values.get(column) for column in columns}
    return read_scores(path, row.line, raw, SCORES, faults, range_at="", refusals=True)


def _response(
    path: str, row: Record, name: str, number: int, traits: Sequence[str], faults: FaultList
) -> Response:
    return Response(
        scenario=f"{name}#{number}",
        text=str(row.values["answer"]),
        responder=stem(path),
        messages=(Message("user", str(row.values["question"])),),
        scores=_scores(path, row, traits, faults),
        group=name,
    )


def _scored_on(response: Response, traits: set[str]) -> Response:
    scores = {trait: score for trait, score in response.scores.items() if trait in traits}
    return dataclasses.replace(response, scores=scores)


def _system(
    path: str,
    row: Record,
    found: re.Match[str],
    described: Mapping[str, Sequence[Mapping[str, str]]],
    faults: FaultList,
) -> str | None:
    """The system message under which an answer was given, out of what the model read."""
    instructions = described.get(found["trait"])
    if instructions is None:
        faults.add(
            path,
            None,
            f"The description of trait {shown(found['trait'])} is missing, so the system messages "
            "of its answers are not known.",
            f"Add {found['trait']}.json from trait_data_extract.",
        )
        return None
    # By its digits: a number may have more of them than can be counted with.
    numbered = {str(number): one for number, one in enumerate(instructions)}
    instruction = numbered.get(found["instruction"].lstrip("0") or "0")
    said = "" if instruction is None else instruction[found["pole"]]
    before, wanted, _ = str(row.values["prompt"]).partition(said) if said else ("", "", "")
    if not wanted:
        faults.add(
            path,
            row.line,
            f"The prompt of {{}} does not hold its instruction in {found['trait']}.json.",
            "Take the description by which the answers were made.",
            shown(found[0]),
        )
        return None
    persona = _PERSONA.search(before)
    return f"{persona[0] if persona else ''}{said}"


def _said(chosen: PoleThresholds) -> str:
    return "; ".join(
        f"{one.set_name()}: {one.said(SCORES)}" if chosen.several else one.said(SCORES)
        for one in chosen.each
    )


def _kept(
    answers: Mapping[tuple[str, str, str, int], Mapping[str, _PoleAnswer]],
    threshold: PoleThreshold,
    named: bool,
    faults: FaultList,
) -> list[tuple[Prompt, PromptPlace]]:
    """The pairs in which the judge agrees that the poles are what they should be.

    Args:
        answers: by trait, question, instruction and sample.
        threshold: when the judge agrees.
        named: whether it is one of several, whose pairs are a prompt set by its name; one of too
            few pairs is left out then.
        faults: told how many pairs are kept and left out.
    """
    counts: dict[str, Counter[str]] = {}
    found: dict[str, list[tuple[Prompt, PromptPlace]]] = {}
    for (trait, question, instruction, sample), pair in answers.items():
        own = counts.setdefault(trait, Counter())
        if len(pair) < len(_POLES):
            own["alone"] += 1
            continue
        high, low = pair["pos"], pair["neg"]
        if not threshold.apart(high.trait, low.trait, SCORES):
            own["trait"] += 1
        elif not threshold.coherent(high.coherence, low.coherence):
            own["coherence"] += 1
        else:
            own["kept"] += 1
            for side, one in (("pos", high), ("neg", low)):
                prompt = Prompt(
                    trait,
                    _POLES[side],
                    str(one.row.values["answer"]),
                    pair=f"{question}-{instruction}-{sample}",
                    messages=(
                        Message("system", one.system),
                        Message("user", str(one.row.values["question"])),
                    ),
                )
                if named:
                    prompt = dataclasses.replace(prompt, prompt_set=threshold.set_name())
                found.setdefault(trait, []).append((prompt, PromptPlace(one.path, one.row.line)))
    for trait, own in counts.items():
        of = f"Prompt set {threshold.set_name()}: " if named else ""
        few = named and own["kept"] < LEAST_PER_POLE
        faults.note(
            f"{trait}.json",
            None,
            f"{of}{own['kept']} of {own.total()} pairs of answers are kept: "
            f"{threshold.said(SCORES)}. Left out: {own['trait']} by the trait, "
            f"{own['coherence']} by coherence, {own['alone']} without their other side."
            + (f" Fewer than {LEAST_PER_POLE} pairs make no set." if few else ""),
            "Nothing is left out."
            if own["kept"] == own.total()
            else "Choose other thresholds, or score again, if that is too few.",
        )
        if few:
            found.pop(trait, None)
    return [placed for own in found.values() for placed in own]


FORMAT = ForeignFormat(TITLE, read, read_chosen)

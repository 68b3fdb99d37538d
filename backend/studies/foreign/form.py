"""What a format of another tool is, and what is made of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from backend.studies.faults import ALL_FILES, FaultList, shown
from backend.studies.parsed_files import Files
from backend.studies.pole_thresholds import PoleThresholds
from backend.studies.prompts import PromptPlace
from backend.studies.tables import text_problem
from backend.types import Prompt, Response

# What the remedy of a note says where records are not part of the study.
_LEFT_OUT = "They are left out."


@dataclass(frozen=True)
class UnderstoodStudy:
    """What a format's files say.

    Attributes:
        provenance: who wrote and who scored it, as far as the files say.
        prompts: each with its place.
        responses: may be empty.
        score_range: lowest and highest score.
        traits: trait -> description, of those that have one.
        files: paths of the tables that were read. A broken record in one of them is a fault.
    """

    provenance: str
    prompts: Sequence[tuple[Prompt, PromptPlace]]
    responses: Sequence[Response] = ()
    score_range: tuple[float, float] = (0.0, 10.0)
    traits: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ForeignFormat:
    """A format of another tool.

    Attributes:
        title: for people.
        read: makes a study of files, and notes what was left out; None where they are in another
            format. Faults are of files that are in this format and cannot be read.
        read_chosen: the same with thresholds of scores by which its texts become prompts; None
            for a format whose prompts have no scores.
    """

    title: str
    read: Callable[[Files, FaultList], UnderstoodStudy | None]
    read_chosen: Callable[[Files, FaultList, PoleThresholds], UnderstoodStudy | None] | None = None


def stem(path: str) -> str:
    """The name of a file without its folder and ending."""
    return PurePosixPath(path).stem


def usable(value: object) -> str | None:
    """A text that can be kept, or None."""
    if not isinstance(value, str) or not value.strip() or text_problem(value) is not None:
        return None
    return value


def without_repeats(
    placed: Iterable[tuple[Prompt, PromptPlace]], faults: FaultList
) -> list[tuple[Prompt, PromptPlace]]:
    """Pairs of prompts of which neither stands among them before, nor is the other.

    Args:
        placed: a high and a low prompt in turn.
        faults: told how many pairs of each file are left out.
    """
    seen: set[tuple[object, ...]] = set()
    found: list[tuple[Prompt, PromptPlace]] = []
    left_out: dict[str, list[int]] = {}
    twins: Counter[str] = Counter()
    pairs = iter(placed)
    for high, low in zip(pairs, pairs, strict=True):
        # What a model reads, whichever pole it is said to be.
        keys = [(one.trait, one.prompt_set, one.text, one.messages) for one, _ in (high, low)]
        if keys[0] == keys[1] or seen & set(keys):
            left_out.setdefault(high[1].file, []).append(high[1].line)
            twins[high[1].file] += keys[0] == keys[1]
            continue
        seen |= set(keys)
        found += [high, low]
    for path, lines in left_out.items():
        why = (
            "hold the same text on both sides"
            if twins[path] == len(lines)
            else "repeat a text of another pair, or hold one text twice"
        )
        faults.note(path, lines[0], f"{len(lines)} pairs {why} ({lines_listed(lines)}).", _LEFT_OUT)
    return found


def without_repeated_texts(
    placed: Iterable[tuple[Prompt, PromptPlace]], faults: FaultList
) -> list[tuple[Prompt, PromptPlace]]:
    """Prompts that do not come in pairs, without those whose text is of their pole already.

    A text of both poles stays in both, which :func:`backend.studies.prompts.check_prompts` refuses.

    Args:
        placed: each with its place.
        faults: told how many of each file are left out.
    """
    first: dict[Prompt, tuple[Prompt, PromptPlace]] = {}
    left_out: dict[str, list[int]] = {}
    for prompt, place in placed:
        if prompt in first:
            left_out.setdefault(place.file, []).append(place.line)
        else:
            first[prompt] = (prompt, place)
    for path, lines in left_out.items():
        what = f"{len(lines)} prompts repeat a text of their trait ({lines_listed(lines)})."
        faults.note(path, lines[0], what, _LEFT_OUT)
    return list(first.values())


def note_skipped(path: str, lines: Sequence[int], of: int, why: str, faults: FaultList) -> None:
    """Say which records of a file were left out, if any.

    Args:
        path: of the file.
        lines: of the records that were left out.
        of: how many there are.
        why: what they lack, as the predicate of a sentence.
        faults: told.
    """
    if lines:
        what = f"{len(lines)} of {of} records {why} ({lines_listed(lines)})."
        faults.note(path, lines[0], what, _LEFT_OUT)


def add_nothing_left(title: str, files: Iterable[str], faults: FaultList) -> None:
    """Say that no prompt comes of some files, and which of their records were left out, and why.

    Args:
        title: of the format.
        files: paths of those that were read for prompts.
        faults: told; its notes say what was left out of these files.
    """
    read = sorted(files)
    left_out = [note for note in faults.notes if note.remedy == _LEFT_OUT and note.file in read]
    for note in left_out:
        what = f"No prompt is left: {note.what}"
        faults.add(note.file, note.line, what, "Correct them: a study needs prompts of both poles.")
    if not left_out:
        faults.add(
            read[0] if len(read) == 1 else ALL_FILES,
            None,
            f"Read as {title}, it has no prompts: no record in it is of a pole.",
            "See docs/formats.md for what this format holds.",
        )


def lines_listed(lines: Sequence[int]) -> str:
    """Numbers of lines for people, the first five. Args: at least one."""
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    noun = "line" if len(lines) == 1 else "lines"
    return f"{noun} {', '.join(map(str, lines[:5]))}{more}"


def understood_as(title: str, said: str, faults: FaultList) -> None:
    """Say in which format a study was read, and what was understood."""
    faults.note(ALL_FILES, None, f"Read as {title}: {said}.", "Look whether this is meant.")


def listed(names: Iterable[str]) -> str:
    """Names for people, the first five."""
    every = list(names)
    more = f" and {len(every) - 5} more" if len(every) > 5 else ""
    return ", ".join(map(shown, every[:5])) + more

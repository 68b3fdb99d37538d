"""What a format of another tool is, and what is made of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from backend.studies.faults import FaultList, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.limits import MOST_ROWS, MOST_VALUES, TooLarge
from backend.studies.prompts import Place
from backend.studies.rows import Row
from backend.studies.tables import FORMATS, read_rows, text_problem
from backend.types import Prompt, Response

# Files are named by their path below the folder, with slashes.
Files = Mapping[str, bytes]
# Endings of files in which such a study may lie.
SUFFIXES = (*(form.suffix for form in FORMATS), ".json")


@dataclass(frozen=True)
class Understood:
    """What a format's files say.

    Attributes:
        provenance: who wrote and who scored it, as far as the files say.
        prompts: each with its place.
        responses: may be empty.
        score_range: lowest and highest score.
    """

    provenance: str
    prompts: Sequence[tuple[Prompt, Place]]
    responses: Sequence[Response] = ()
    score_range: tuple[float, float] = (0.0, 10.0)


@dataclass(frozen=True)
class ForeignFormat:
    """A format of another tool.

    Attributes:
        title: for people.
        read: makes a study of files, and notes what was left out; None where they are in another
            format. Faults are of files that are in this format and cannot be read.
    """

    title: str
    read: Callable[[Files, FaultList], Understood | None]


def stem(path: str) -> str:
    """The name of a file without its folder and ending."""
    return PurePosixPath(path).stem


def rows_of(path: str, content: bytes, faults: FaultList) -> list[Row]:
    """Records of a table, also of a JSON array of objects; none where it is something else.

    Args:
        path: of the file.
        content: its bytes.
        faults: told why a table cannot be read.
    """
    if not path.endswith(".json"):
        return read_rows(path, content, faults) or []
    value = json_of(path, content, faults)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return []
    return [Row(number, one) for number, one in enumerate(value, start=1)]


def json_of(path: str, content: bytes, faults: FaultList) -> object:
    """The value of a JSON file; None where it is no JSON, or after a fault.

    Args:
        path: of the file.
        content: its bytes.
        faults: told where it is too large.
    """
    try:
        value: object = parse_json(content.decode("utf-8-sig"))
        if (isinstance(value, list) and len(value) > MOST_ROWS) or count_values(
            value
        ) > MOST_VALUES:
            raise TooLarge(f"The file holds more than {MOST_ROWS:,} records.", "Split it.")
    except (UnicodeDecodeError, JsonFault):
        return None
    except TooLarge as fault:
        faults.add(path, None, fault.what, fault.remedy)
        return None
    return value


def usable(value: object) -> str | None:
    """A text that can be kept, or None."""
    if not isinstance(value, str) or not value.strip() or text_problem(value) is not None:
        return None
    return value


def without_repeats(
    path: str, placed: Iterable[tuple[Prompt, Place]], faults: FaultList
) -> list[tuple[Prompt, Place]]:
    """Pairs of prompts of which neither stands in the file before, nor is the other.

    Args:
        path: of the file.
        placed: a high and a low prompt in turn.
        faults: told how many pairs are left out.
    """
    seen: set[tuple[object, ...]] = set()
    found: list[tuple[Prompt, Place]] = []
    left_out = 0
    pairs = iter(placed)
    for high, low in zip(pairs, pairs, strict=True):
        # What a model reads, whichever pole it is said to be.
        keys = [(one.trait, one.prompt_set, one.text, one.messages) for one, _ in (high, low)]
        if keys[0] == keys[1] or seen & set(keys):
            left_out += 1
            continue
        seen |= set(keys)
        found += [high, low]
    if left_out:
        faults.note(
            path,
            None,
            f"{left_out} pairs repeat a text of another pair, or hold one text twice.",
            "They are left out.",
        )
    return found


def note_skipped(path: str, count: int, of: int, why: str, faults: FaultList) -> None:
    """Say how many records of a file were left out, if any."""
    if count:
        faults.note(path, None, f"{count} of {of} records {why}.", "They are left out.")


def understood_as(title: str, said: str, faults: FaultList) -> None:
    """Say in which format a study was read, and what was understood."""
    faults.note("(all files)", None, f"Read as {title}: {said}.", "Look whether this is meant.")


def listed(names: Iterable[str]) -> str:
    """Names for people, the first five."""
    every = list(names)
    more = f" and {len(every) - 5} more" if len(every) > 5 else ""
    return ", ".join(map(shown, every[:5])) + more

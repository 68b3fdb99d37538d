"""study.json: what the study is, who made it, and its score range."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from backend.names import name_problem
from backend.studies.encoding import as_utf8
from backend.studies.faults import FaultList, nearest, shown
from backend.studies.json_text import JsonFault, count_values, parse_json
from backend.studies.limits import MOST_METADATA_BYTES, MOST_SCORE, MOST_TEXT, size

FILE = "study.json"
_TEXTS = ("title", "description", "licence", "provenance")


@dataclass(frozen=True)
class Metadata:
    """The content of study.json, with defaults.

    Attributes:
        title: one line; empty if not given.
        description: a paragraph; may be empty.
        licence: SPDX id or a sentence; may be empty.
        provenance: who wrote and scored it; may be empty.
        score_range: lowest and highest allowed score.
        range_said: whether the file gives that range.
        traits: trait -> description, in the order given.
    """

    title: str = ""
    description: str = ""
    licence: str = ""
    provenance: str = ""
    score_range: tuple[float, float] = (0.0, 10.0)
    range_said: bool = False
    traits: dict[str, str] = field(default_factory=dict)


def read_metadata(content: bytes | None, faults: FaultList) -> Metadata:
    """Read study.json; None gives the defaults.

    Args:
        content: its bytes.
        faults: told of everything wrong.
    """
    if content is None:
        return Metadata()
    values = _read_object(content, faults)
    if values is None:
        return Metadata()
    known = (*_TEXTS, "score_range", "traits")
    for key in values:
        if key not in known:
            remedy = f"{nearest(key, known)} Rename or remove it."
            faults.add(FILE, None, f"Unknown key {shown(key)}.", remedy)
    texts: dict[str, str] = {}
    for key in _TEXTS:
        text = values.get(key, "")
        problem = _text_problem(text)
        if problem is None:
            texts[key] = str(text)
        else:
            faults.add(FILE, None, f"{key} {problem}.", "Write a string.")
    return Metadata(
        **texts,
        score_range=_score_range(values, faults),
        range_said="score_range" in values,
        traits=_traits(values, faults),
    )


def _read_object(content: bytes, faults: FaultList) -> dict[str, object] | None:
    """The object that study.json is, or None after a fault."""
    if len(content) > MOST_METADATA_BYTES:
        most = f"At most {size(MOST_METADATA_BYTES)} are read."
        faults.add(FILE, None, f"The file has {size(len(content))}.", most)
        return None
    data = as_utf8(FILE, content, faults)
    if data is None:
        return None
    text = data.decode()
    try:
        values = parse_json(text)
        count_values(values)
    except JsonFault as fault:
        line = fault.line or _line_of_repeated_key(text, fault)
        remedy = fault.remedy or "Write one JSON object."
        faults.add(FILE, line, fault.what, remedy, fault.value)
        return None
    if not isinstance(values, dict):
        faults.add(FILE, None, "Not a JSON object.", "Write one JSON object.")
        return None
    return values


def _line_of_repeated_key(text: str, fault: JsonFault) -> int | None:
    """The line on which a key stands the second time, where it is written plainly."""
    key = (fault.value or "")[1:-1]
    found = [match.start() for match in re.finditer(rf'"{re.escape(key)}"\s*:', text)]
    return text.count("\n", 0, found[1]) + 1 if key and len(found) > 1 else None


def _text_problem(value: object) -> str | None:
    """What keeps a value from being a text of study.json."""
    if not isinstance(value, str):
        return f"is {shown(value)}, not text"
    if "\0" in value:
        return "holds a NUL character"
    return f"has more than {MOST_TEXT:,} characters" if len(value) > MOST_TEXT else None


def _score_range(values: dict[str, object], faults: FaultList) -> tuple[float, float]:
    given = values.get("score_range", [0, 10])
    numbers = (
        [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
        if isinstance(given, list)
        else []
    )
    # NaN fails every comparison.
    good = len(numbers) == 2 and -MOST_SCORE <= numbers[0] < numbers[1] <= MOST_SCORE
    if not good or given != numbers:
        faults.add(
            FILE,
            None,
            f"score_range is {shown(given)}.",
            f"Write [lowest, highest], such as [0, 10], within {MOST_SCORE:g} of zero.",
        )
        return (0.0, 10.0)
    return (float(numbers[0]), float(numbers[1]))


def _traits(values: dict[str, object], faults: FaultList) -> dict[str, str]:
    given = values.get("traits", {})
    if not isinstance(given, dict):
        what = f"traits is {shown(given)}, no object of texts."
        faults.add(FILE, None, what, 'Write {"trait": "description"}.')
        return {}
    found: dict[str, str] = {}
    for key, text in given.items():
        trait = key.strip()
        problem = name_problem("trait", trait) if trait else ("trait is empty: {}.", "Name it.")
        said = _text_problem(text)
        if problem is not None:
            faults.add(FILE, None, *problem, shown(trait))
        elif said is not None:
            what = f"The description of trait {shown(trait)} {said}."
            faults.add(FILE, None, what, 'Write {"trait": "description"}.')
        else:
            found[trait] = text
    return found

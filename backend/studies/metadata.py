"""study.json: what the study is, who made it, and its score range."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from backend.studies.faults import FaultList, nearest

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
        traits: trait -> description, in the order given.
    """

    title: str = ""
    description: str = ""
    licence: str = ""
    provenance: str = ""
    score_range: tuple[float, float] = (0.0, 10.0)
    traits: dict[str, str] = field(default_factory=dict)


def read_metadata(content: bytes | None, faults: FaultList) -> Metadata:
    """Read study.json; None gives the defaults.

    Args:
        content: its bytes.
        faults: told of everything wrong.
    """
    if content is None:
        return Metadata()
    try:
        values = json.loads(content.decode("utf-8-sig"))
    except ValueError as fault:
        faults.add(FILE, None, f"Not JSON in UTF-8: {fault}.", "Write one JSON object.")
        return Metadata()
    if not isinstance(values, dict):
        faults.add(FILE, None, "Not a JSON object.", "Write one JSON object.")
        return Metadata()
    known = (*_TEXTS, "score_range", "traits")
    for key in values:
        if key not in known:
            faults.add(FILE, None, f"Unknown key {key!r}.", f"{nearest(key, known)} Mend it.")
    texts = {}
    for key in _TEXTS:
        texts[key] = values.get(key, "")
        if not isinstance(texts[key], str):
            faults.add(FILE, None, f"{key} is {texts[key]!r}, not text.", "Write a string.")
            texts[key] = ""
    return Metadata(
        **texts, score_range=_score_range(values, faults), traits=_traits(values, faults)
    )


def _score_range(values: dict[str, object], faults: FaultList) -> tuple[float, float]:
    given = values.get("score_range", [0, 10])
    numbers = (
        [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
        if isinstance(given, list)
        else []
    )
    good = len(numbers) == 2 and all(map(math.isfinite, numbers)) and numbers[0] < numbers[1]
    if not good or given != numbers:
        faults.add(
            FILE, None, f"score_range is {given!r}.", "Write [lowest, highest], such as [0, 10]."
        )
        return (0.0, 10.0)
    return (float(numbers[0]), float(numbers[1]))


def _traits(values: dict[str, object], faults: FaultList) -> dict[str, str]:
    given = values.get("traits", {})
    if isinstance(given, dict) and all(isinstance(text, str) for text in given.values()):
        return dict(given)
    faults.add(FILE, None, "traits is no object of texts.", 'Write {"trait": "description"}.')
    return {}

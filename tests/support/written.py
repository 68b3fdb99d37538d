"""A model behind an endpoint that writes a study about warmth, and judges by a rule."""

from __future__ import annotations

import re

from tests.support.endpoint import completion

TRAIT, MEANS = "warmth", "is warm."


def writes_and_judges(body: dict) -> dict:
    """Writes lists, a rubric and answers, and judges by how often a response says "dear"."""
    *_, user = (message["content"] for message in body["messages"])
    if "numbered list" in user:
        count = int(re.search(r"Write (\d+) short", user)[1])
        return completion("\n".join(f"{i}. Why is it {i} o'clock?" for i in range(1, count + 1)))
    if "two lines" in user:
        return completion("High: warm words.\nLow: cold words.")
    found = re.search("<response>\n(.*)\n</response>", user)
    if found is not None:
        return completion(f"{found[1].count('dear') * 2}")
    system = body["messages"][0]["content"]
    warm = 0 if "opposite" in system else 4 if "clearly" in system else 2
    return completion(f"{'dear ' * warm}because of {user}")

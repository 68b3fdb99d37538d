"""A map as a table, which can be downloaded."""

from __future__ import annotations

from backend.views.map.compute import TraitMap

NO_SCORE = "not scored"


def point_rows(found: TraitMap) -> list[dict[str, str | float]]:
    """Every drawn text with its place.

    Args:
        found: a map.
    """
    prompts: list[dict[str, str | float]] = [
        {
            "text": point.text,
            "what": f"{point.pole} prompt",
            "first axis": point.x,
            "second axis": point.y,
            "score": "",
        }
        for point in found.prompts
    ]
    return prompts + [
        {
            "text": point.text,
            "what": f"response {point.scenario}" + (f", {point.turn}" if point.turn else ""),
            "first axis": point.x,
            "second axis": point.y,
            "score": NO_SCORE if point.score is None else f"{point.score:g}",
        }
        for point in found.responses
    ]
